//! Commits that ask not to be built.
//!
//! The words are those that GitHub documents, so that one message means the same to everything that watches a
//! repository: <https://docs.github.com/en/actions/managing-workflow-runs/skipping-workflow-runs>. As there, they hold
//! for pushes and pull requests only: what somebody asks for, or a schedule, is built.

use crate::config::Event;

/// The words, anywhere in the message.
const WORDS: [&str; 5] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];
/// The trailers that mean the same, as the last line of the message, in the paragraph of trailers that two empty lines
/// set off.
const TRAILERS: [&str; 2] = ["skip-checks:true", "skip-checks: true"];

/// Whether the commit's message asks that its push or pull request be not built. A capital letter makes no difference.
#[must_use]
pub fn asks_to_skip(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    WORDS.iter().any(|word| message.contains(word)) || has_trailer(&message)
}

/// Whether a message that asks to be skipped is listened to: an event that somebody meant is built whatever it says.
#[must_use]
pub fn can_be_skipped(event: Event) -> bool {
    matches!(event, Event::Push | Event::PullRequest)
}

fn has_trailer(message: &str) -> bool {
    let mut from_the_end = message.trim_end().lines().rev().map(str::trim_end);
    if !from_the_end.next().is_some_and(|last| TRAILERS.contains(&last)) {
        return false;
    }
    // The other trailers, up to the first empty line; a second one must follow it.
    from_the_end.by_ref().find(|line| line.is_empty()).is_some() && from_the_end.next().is_some_and(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_words_skip() {
        for word in WORDS {
            assert!(asks_to_skip(&format!("Mend a comma {word}\n\nNothing to build.")), "{word}");
            assert!(asks_to_skip(&word.to_uppercase()), "{word}");
        }
    }

    #[test]
    fn the_documented_trailer_skips_at_the_end_after_two_empty_lines() {
        assert!(asks_to_skip("Mend a comma\n\n\nskip-checks: true\n"));
        assert!(asks_to_skip("Mend a comma\n\n\nSigned-off-by: Ada <ada@example.com>\nskip-checks:true"));
        assert!(!asks_to_skip("Mend a comma\n\nskip-checks: true"));
        assert!(!asks_to_skip("Mend a comma\n\n\nskip-checks: true\nSigned-off-by: Ada <ada@example.com>"));
        assert!(!asks_to_skip("skip-checks: true"));
    }

    #[test]
    fn other_words_do_not() {
        for message in ["", "skip ci", "[skip  ci]", "[skip-ci]", "***NO_CI***", "Explain skip-checks: true"] {
            assert!(!asks_to_skip(message), "{message}");
        }
    }

    #[test]
    fn what_somebody_asked_for_is_built() {
        assert!(can_be_skipped(Event::Push) && can_be_skipped(Event::PullRequest));
        assert!(![Event::Tag, Event::Schedule, Event::Manual].into_iter().any(can_be_skipped));
    }
}
