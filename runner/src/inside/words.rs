//! What a container begins with.

use bollard::models::ImageConfig;

/// The words that a container of this image begins with, where these are asked for. An entrypoint of its own takes the place
/// of the image's command, too; an empty one is none: <https://docs.docker.com/engine/containers/run/#default-entrypoint>
pub(crate) fn words(entrypoint: Option<Vec<String>>, command: Option<Vec<String>>, image: ImageConfig) -> Vec<String> {
    let command = match (command, &entrypoint) {
        (Some(command), _) => command,
        (None, Some(_)) => Vec::new(),
        (None, None) => image.cmd.unwrap_or_default(),
    };
    let entrypoint = entrypoint.unwrap_or_else(|| image.entrypoint.unwrap_or_default());
    let is_none = entrypoint.iter().all(String::is_empty);
    entrypoint.into_iter().filter(|_| !is_none).chain(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_begins_as_docker_has_it() {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let begins = |entrypoint: Option<&[&str]>, command: Option<&[&str]>| {
            let image = ImageConfig {
                entrypoint: Some(list(&["entry.sh", "-v"])),
                cmd: Some(list(&["serve"])),
                ..ImageConfig::default()
            };
            words(entrypoint.map(list), command.map(list), image).join(" ")
        };
        assert_eq!(begins(None, None), "entry.sh -v serve");
        assert_eq!(begins(None, Some(&["check"])), "entry.sh -v check");
        assert_eq!(begins(Some(&["sh"]), None), "sh");
        assert_eq!(begins(Some(&["sh"]), Some(&["-c", ""])), "sh -c ");
        assert_eq!(begins(Some(&[""]), Some(&["sh"])), "sh");
        assert_eq!(begins(Some(&[""]), None), "");
    }
}
