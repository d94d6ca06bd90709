//! The small static program that goes into containers (`runner/inside`), as the runner handles it.

mod archive;
mod earlier;
mod image;
mod program;
mod words;

pub(crate) use archive::{TOLD, archive};
pub(crate) use image::IN_IMAGE;
pub(crate) use program::{Inside, PLACE};
pub(crate) use words::words;

/// The task in which it waits for variables, and becomes another program.
pub(crate) const EXEC: &str = "exec";

/// The task in which it reads variables from a file, and becomes another program.
pub(crate) const FROM: &str = "from";

/// The task in which it is a proxy: its own name in a network, a port, and the hosts that it leads to.
pub(crate) const RELAY: &str = "relay";

/// The task in which it keeps what comes by some interfaces from the machine that it runs on: their names, with a `*` at the
/// end of one that stands for all which begin so.
pub(crate) const GUARD: &str = "guard";

/// What it is told on its standard input. The line break before ends what an earlier life could not write to its end.
///
/// # Errors
/// With a sentence, when a variable cannot be one.
pub(crate) fn told(variables: &[(String, String)]) -> Result<String, String> {
    let mut line = "\nslipway".to_owned();
    for (name, value) in variables {
        if name.contains('\0') || value.contains('\0') {
            return Err(format!("the variable {name} holds a NUL, which no variable can hold"));
        }
        if name.is_empty() || name.contains('=') {
            return Err(format!("`{name}` is no name of a variable"));
        }
        line.push(' ');
        for byte in [name.as_bytes(), b"=", value.as_bytes()].concat() {
            line.extend([byte >> 4, byte & 15].iter().filter_map(|&digit| char::from_digit(u32::from(digit), 16)));
        }
    }
    line.push_str(" end\n");
    Ok(line)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use std::{
        io::{ErrorKind, Write},
        process::{Command, Output, Stdio},
    };

    use super::*;

    /// What comes of the program when it is told this.
    fn begun(words: &[&str], input: &str) -> Output {
        done(&[&[EXEC], words].concat(), input)
    }

    fn done(words: &[&str], input: &str) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let program = Inside::in_folder(folder.path().to_owned()).path().unwrap();
        let mut command = Command::new(program);
        command.args(words).env("KEPT", "of the image").env("PIN", "of the image");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut begun = loop {
            match command.spawn() {
                // What another test starts may hold the file open for a moment, as it was being written.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                begun => break begun.unwrap(),
            }
        };
        // What ends before it reads takes nothing.
        let _ = begun.stdin.take().unwrap().write_all(input.as_bytes());
        begun.wait_with_output().unwrap()
    }

    fn secrets() -> Vec<(String, String)> {
        [("PIN", "it's\n\"two\" $lines"), ("no.name", "ä")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn a_program_begins_with_what_was_told_and_with_nothing_to_read() {
        let told = told(&secrets()).unwrap();
        let said = "echo \"$0 $KEPT $PIN\"; wc -c; exit 7";
        let output = begun(&["sh", "-c", said, "me"], &format!("{}{told}", &told[..20]));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, "me of the image it's\n\"two\" $lines\n0\n");
        assert_eq!(output.status.code(), Some(7));
        // Shells pass on no such name.
        let output = begun(&["env"], &told);
        assert!(String::from_utf8(output.stdout).unwrap().lines().any(|line| line == "no.name=ä"));
    }

    #[test]
    fn a_program_begins_with_what_lies_in_a_file_and_reads_its_own_input() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("told");
        let path = file.to_str().unwrap();
        let begun = |input: &str| done(&[FROM, path, "sh", "-c", "cat; echo $PIN"], input);
        assert_eq!(begun("").status.code(), Some(125), "there is no file");
        let told = told(&secrets()).unwrap();
        std::fs::write(&file, &told[..told.len() - 3]).unwrap();
        assert_eq!(begun("").status.code(), Some(125), "it is not whole");
        std::fs::write(&file, &told).unwrap();
        let output = begun("of its own ");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "of its own it's \"two\" $lines\n");
        assert_eq!(done(&[FROM, path], "").status.code(), Some(125), "nothing to begin");
        assert_eq!(done(&[FROM], "").status.code(), Some(125));
    }

    #[test]
    fn a_program_that_cannot_begin_ends_as_docker_tells_it() {
        let told = told(&[]).unwrap();
        for (word, code) in [("nonexistent", 127), ("/nonexistent", 127), ("/etc/passwd", 126)] {
            let output = begun(&[word], &told);
            assert_eq!(output.status.code(), Some(code), "{word}");
            assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{output:?}");
        }
        assert_eq!(begun(&["true"], "").status.code(), Some(125), "nobody told it anything");
        assert_eq!(begun(&[], &told).status.code(), Some(125));
    }

    #[test]
    fn what_no_variable_can_be_is_refused() {
        for (name, value) in [("A", "x\0y"), ("A\0", "x"), ("A=B", "x"), ("", "x")] {
            assert!(told(&[(name.to_owned(), value.to_owned())]).is_err(), "{name:?}");
        }
    }
}
