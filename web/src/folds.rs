//! Where a log says that lines belong together, so that a reader can fold them.
//!
//! Two ways of saying it are known: the markers that GitHub's runners read (`::group::TITLE` and `::endgroup::`, and the
//! older `##[group]TITLE` and `##[endgroup]`), and the steps of an image build as Slipway itself writes them (`#7 [2/4] RUN
//! make` to `#7 DONE 1.2s`). Groups do not nest: one that begins ends the one before.

use crate::logs::Stream;

/// What a line says of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    /// One begins here; this is what people read in place of the marker.
    Begins(&'a str),
    /// The one that is open ends with this line.
    Ends {
        /// Whether what it held went wrong.
        badly: bool,
        /// What people read in place of the marker.
        shown: &'a str,
    },
}

/// What a line says of a group, if it does.
#[must_use]
pub fn mark(stream: Stream, text: &str) -> Option<Mark<'_>> {
    for (begins, ends) in [("::group::", "::endgroup::"), ("##[group]", "##[endgroup]")] {
        if let Some(title) = text.strip_prefix(begins) {
            return Some(Mark::Begins(title));
        }
        if text.starts_with(ends) {
            return Some(Mark::Ends { badly: false, shown: "" });
        }
    }
    if stream == Stream::Slipway { of_image_build(text) } else { None }
}

/// A step of an image build begins with its name, and ends with one of three words.
fn of_image_build(text: &str) -> Option<Mark<'_>> {
    let (number, what) = text.strip_prefix('#')?.split_once(' ')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) || what.starts_with("WARNING:") {
        return None;
    }
    let badly = what.starts_with("ERROR:");
    let ends = badly || what == "CACHED" || what.starts_with("DONE ");
    Some(if ends { Mark::Ends { badly, shown: text } } else { Mark::Begins(text) })
}

#[cfg(test)]
mod tests {
    use super::{Mark, mark};
    use crate::logs::Stream;

    #[test]
    fn both_spellings_of_a_group_are_known_at_the_beginning_of_a_line_alone() {
        assert_eq!(mark(Stream::Out, "::group::Install"), Some(Mark::Begins("Install")));
        assert_eq!(mark(Stream::Err, "##[group]Install"), Some(Mark::Begins("Install")));
        assert_eq!(mark(Stream::Out, "::endgroup::"), Some(Mark::Ends { badly: false, shown: "" }));
        assert_eq!(mark(Stream::Out, "##[endgroup]"), Some(Mark::Ends { badly: false, shown: "" }));
        assert_eq!(mark(Stream::Out, "echo ::group::Install"), None);
    }

    #[test]
    fn an_image_builds_steps_are_groups_where_slipway_writes_them() {
        let own = |text| mark(Stream::Slipway, text);
        assert_eq!(own("#7 [2/4] RUN make"), Some(Mark::Begins("#7 [2/4] RUN make")));
        assert_eq!(own("#7 DONE 1.2s"), Some(Mark::Ends { badly: false, shown: "#7 DONE 1.2s" }));
        assert_eq!(own("#7 ERROR: exit code: 2"), Some(Mark::Ends { badly: true, shown: "#7 ERROR: exit code: 2" }));
        assert_eq!(
            (own("#7 WARNING: slow"), own("#x y"), own("# y"), own("runs in node:20")),
            (None, None, None, None)
        );
        assert_eq!(mark(Stream::Out, "#7 [2/4] RUN make"), None, "a command may write what it likes");
    }
}
