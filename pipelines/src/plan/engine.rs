//! Which images of the build the commands of a step with an engine may want there.

use super::instances::Instances;

/// Commands that want no image, and words of the shell itself.
const WITHOUT_IMAGES: [&str; 30] = [
    "echo", "printf", "cd", "test", "[", "[[", "sleep", "curl", "wget", "grep", "cat", "mkdir", "rm", "true", "false",
    "exit", "export", "set", "trap", "wait", "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done",
];
/// Docker's commands that read a file, which may name any image.
const READS_A_FILE: [&str; 5] = ["compose", "build", "buildx", "bake", "stack"];

/// The places of the apps whose images a text for the shell may want: those that it names, or all of them where it calls
/// something that may name any, such as a script or docker-compose.
pub(super) fn wanted(line: &str, instances: &Instances<'_>) -> Vec<usize> {
    let takes_part = |at: &usize| instances.all[*at].left_out.is_none();
    if line.split(['\n', ';', '&', '|', '(', ')', '`']).any(may_name_any) {
        return (0..instances.all.len()).filter(takes_part).collect();
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    let words = line.split(|c: char| !is_of_name(c)).filter(|word| !word.is_empty());
    let mut named: Vec<usize> = words.filter_map(|word| instances.of_image(word)).filter(takes_part).collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// Whether what the command runs is more than the command itself shows.
fn may_name_any(command: &str) -> bool {
    let is_assignment = |word: &&str| word.split_once('=').is_some_and(|(name, _)| !name.contains(['/', '-']));
    let is_of_shell = |word: &&str| matches!(*word, "if" | "then" | "elif" | "else" | "while" | "until" | "do" | "!");
    let mut words = command.split_whitespace().skip_while(|word| is_assignment(word) || is_of_shell(word));
    match words.next() {
        None => false,
        Some("docker") => words.find(|word| !word.starts_with('-')).is_some_and(|word| READS_A_FILE.contains(&word)),
        Some(word) => !word.starts_with('#') && !WITHOUT_IMAGES.contains(&word),
    }
}

#[cfg(test)]
mod tests {
    use super::may_name_any;

    #[test]
    fn scripts_and_compose_files_may_name_any_image() {
        for any in ["./check.sh", "make test", "docker-compose up", "docker compose up", "A=1 sh x", "docker build ."] {
            assert!(may_name_any(any), "{any}");
        }
        for plain in
            ["docker run shop/web", "echo build", " docker network create x", "", "if docker inspect web", "fi"]
        {
            assert!(!may_name_any(plain), "{plain}");
        }
    }
}
