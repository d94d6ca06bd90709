//! Terminal output as HTML: colours survive from line to line, carriage returns overwrite, everything else is escaped or dropped.
//!
//! Understands what ECMA-48 calls SGR (colours and weight), erase-in-line, carriage return and backspace. Other control
//! sequences are consumed without effect. The 256 colours and 24-bit colours are brought to the nearest of the sixteen that
//! the style sheet defines, because those are readable on light and on dark, and no style attribute is ever written.

use std::{borrow::Cow, fmt};

/// The longest part of a line that is rendered, in bytes; the plain text of the log has the rest.
pub const MAX_LINE: usize = 16 * 1024;

/// Renders the lines of one log in order.
#[derive(Debug, Clone, Default)]
pub struct Renderer {
    style: Style,
}

/// One line as HTML; only [`Renderer::line`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineHtml(String);

impl LineHtml {
    /// How much markup it is, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for LineHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for LineHtml {}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Style {
    foreground: Option<u8>,
    background: Option<u8>,
    bold: bool,
    faint: bool,
    italic: bool,
    underline: bool,
    inverse: bool,
}

/// A line while it is written: what a terminal's row would hold.
#[derive(Default)]
struct Row {
    cells: Vec<(char, Style)>,
    cursor: usize,
}

impl Row {
    fn put(&mut self, character: char, style: Style) {
        if self.cursor < self.cells.len() {
            self.cells[self.cursor] = (character, style);
        } else {
            self.cells.push((character, style));
        }
        self.cursor += 1;
    }

    /// `CSI n K`: to the end (0), from the start (1), the whole row (2).
    fn erase(&mut self, mode: u16) {
        match mode {
            0 => self.cells.truncate(self.cursor),
            1 => self.cells.iter_mut().take(self.cursor).for_each(|cell| *cell = (' ', Style::default())),
            _ => self.cells.iter_mut().for_each(|cell| *cell = (' ', Style::default())),
        }
    }
}

/// A line's text as [`Renderer`] shows it, without colours.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| character.is_control() || turns_direction(character)) {
        return Cow::Borrowed(text);
    }
    let (shown, rest) = cut(text);
    let mut plain: String = Renderer::default().row(shown).cells.iter().map(|(character, _)| character).collect();
    plain.push_str(&text[text.len() - rest..]);
    Cow::Owned(plain)
}

/// Marks that turn the reading direction can make a log say what it does not.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Renderer {
    /// Renders the next line.
    pub fn line(&mut self, text: &str) -> LineHtml {
        let (shown, rest) = cut(text);
        let mut html = write_cells(&self.row(shown).cells);
        if rest > 0 {
            html.push_str(&format!("<span class=\"cut\">… {rest} more bytes</span>"));
        }
        LineHtml(html)
    }

    fn row(&mut self, shown: &str) -> Row {
        let mut row = Row::default();
        let mut characters = shown.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\u{1b}' => self.escape(&mut characters, &mut row),
                '\r' => row.cursor = 0,
                '\u{8}' => row.cursor = row.cursor.saturating_sub(1),
                '\t' => row.put('\t', self.style),
                other if other.is_control() => {}
                turning if turns_direction(turning) => row.put('\u{fffd}', self.style),
                other => row.put(other, self.style),
            }
        }
        row
    }

    fn escape(&mut self, characters: &mut std::iter::Peekable<std::str::Chars<'_>>, row: &mut Row) {
        match characters.next() {
            Some('[') => {
                let mut parameters = String::new();
                for character in characters.by_ref() {
                    if ('\u{40}'..='\u{7e}').contains(&character) {
                        self.control(&parameters, character, row);
                        return;
                    }
                    parameters.push(character);
                }
            }
            // Operating system commands and their kin end with BEL or ESC \.
            Some(']' | 'P' | 'X' | '^' | '_') => {
                while let Some(character) = characters.next() {
                    if character == '\u{7}' {
                        return;
                    }
                    if character == '\u{1b}' {
                        characters.next_if_eq(&'\\');
                        return;
                    }
                }
            }
            Some('(' | ')' | '#' | '%') => {
                characters.next();
            }
            _ => {}
        }
    }

    fn control(&mut self, parameters: &str, function: char, row: &mut Row) {
        match function {
            'm' if !parameters.starts_with(['?', '>', '<', '=']) => self.select(parameters),
            'K' => row.erase(parameters.parse().unwrap_or(0)),
            'G' => row.cursor = parameters.parse::<usize>().unwrap_or(1).saturating_sub(1).min(row.cells.len()),
            _ => {}
        }
    }

    /// SGR. A sub-parameter after a colon is read as if it stood after a semicolon.
    fn select(&mut self, parameters: &str) {
        let mut codes = parameters.split([';', ':']).map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            let style = &mut self.style;
            match code {
                0 => *style = Style::default(),
                1 => style.bold = true,
                2 => style.faint = true,
                3 => style.italic = true,
                4 => style.underline = true,
                7 => style.inverse = true,
                22 => (style.bold, style.faint) = (false, false),
                23 => style.italic = false,
                24 => style.underline = false,
                27 => style.inverse = false,
                30..=37 => style.foreground = small(code - 30),
                38 => style.foreground = extended(&mut codes),
                39 => style.foreground = None,
                40..=47 => style.background = small(code - 40),
                48 => style.background = extended(&mut codes),
                49 => style.background = None,
                90..=97 => style.foreground = small(code - 90 + 8),
                100..=107 => style.background = small(code - 100 + 8),
                _ => {}
            }
        }
    }
}

fn small(code: u16) -> Option<u8> {
    u8::try_from(code).ok()
}

fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match codes.next()? {
        5 => Some(from_256(codes.next()?)),
        2 => Some(nearest(codes.next()?, codes.next()?, codes.next()?)),
        _ => None,
    }
}

/// xterm's palette: 16 named, a cube of 6 × 6 × 6, 24 greys.
fn from_256(code: u16) -> u8 {
    const LEVELS: [u16; 6] = [0, 95, 135, 175, 215, 255];
    match code {
        0..=15 => u8::try_from(code).unwrap_or(7),
        16..=231 => {
            let cube = usize::from(code - 16);
            nearest(LEVELS[cube / 36], LEVELS[cube / 6 % 6], LEVELS[cube % 6])
        }
        _ => {
            let grey = 8 + (code.min(255) - 232) * 10;
            nearest(grey, grey, grey)
        }
    }
}

fn nearest(red: u16, green: u16, blue: u16) -> u8 {
    const NAMED: [(u16, u16, u16); 16] = [
        (0, 0, 0),
        (170, 0, 0),
        (0, 170, 0),
        (170, 110, 0),
        (0, 0, 190),
        (170, 0, 170),
        (0, 170, 170),
        (190, 190, 190),
        (110, 110, 110),
        (255, 85, 85),
        (85, 255, 85),
        (255, 255, 85),
        (95, 95, 255),
        (255, 85, 255),
        (85, 255, 255),
        (255, 255, 255),
    ];
    let distance = |named: &(u16, u16, u16)| {
        [(named.0, red), (named.1, green), (named.2, blue)]
            .iter()
            .map(|(a, b)| u32::from(a.abs_diff(*b).min(255)).pow(2))
            .sum::<u32>()
    };
    let best = NAMED.iter().enumerate().min_by_key(|(_, named)| distance(named)).map_or(7, |(index, _)| index);
    u8::try_from(best).unwrap_or(7)
}

fn cut(text: &str) -> (&str, usize) {
    let mut end = text.len().min(MAX_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], text.len() - end)
}

fn write_cells(cells: &[(char, Style)]) -> String {
    let mut html = String::with_capacity(cells.len() + 16);
    for run in cells.chunk_by(|a, b| a.1 == b.1) {
        let classes = run.first().map(|cell| classes(cell.1)).unwrap_or_default();
        if !classes.is_empty() {
            html.push_str(&format!("<span class=\"{classes}\">"));
        }
        for (character, _) in run {
            match character {
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '&' => html.push_str("&amp;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                other => html.push(*other),
            }
        }
        if !classes.is_empty() {
            html.push_str("</span>");
        }
    }
    html
}

fn classes(style: Style) -> String {
    let (mut foreground, mut background) = (style.foreground, style.background);
    let mut classes = Vec::new();
    if style.inverse {
        if foreground.is_none() && background.is_none() {
            classes.push("inv".to_owned());
        }
        std::mem::swap(&mut foreground, &mut background);
    }
    classes.extend(foreground.map(|colour| format!("f{colour}")));
    if let Some(colour) = background {
        classes.push(format!("b{colour}"));
        // On a coloured ground, text that asked for no colour takes the paper's, which can be read there.
        if foreground.is_none() || foreground == background {
            classes.push("ground".to_owned());
        }
    }
    let flags = [(style.bold, "bold"), (style.faint, "faint"), (style.italic, "ital"), (style.underline, "under")];
    classes.extend(flags.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()));
    classes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINE, Renderer};

    fn one(text: &str) -> String {
        Renderer::default().line(text).to_string()
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            one("<script>alert('x')</script> & \"y\""),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"
        );
        assert_eq!(one("\u{1b}[31m<b>\u{1b}[0m"), "<span class=\"f1\">&lt;b&gt;</span>");
        assert!(!one("\u{1b}[1;\"><script>m").contains('<'));
    }

    #[test]
    fn colours_survive_the_end_of_a_line() {
        let mut renderer = Renderer::default();
        assert_eq!(renderer.line("\u{1b}[32mgreen").to_string(), "<span class=\"f2\">green</span>");
        assert_eq!(renderer.line("still \u{1b}[0mnot").to_string(), "<span class=\"f2\">still </span>not");
    }

    #[test]
    fn a_carriage_return_overwrites() {
        assert_eq!(one("10 %\r20 %\r100 %"), "100 %");
        assert_eq!(one("downloading\rdone\u{1b}[K"), "done");
        assert_eq!(one("downloading\rdone"), "doneloading");
        assert_eq!(one("ab\u{8}c"), "ac");
    }

    #[test]
    fn rich_colours_come_to_the_nearest_of_sixteen() {
        assert_eq!(one("\u{1b}[38;5;196mx"), "<span class=\"f1\">x</span>");
        assert_eq!(one("\u{1b}[38;2;90;250;90mx"), "<span class=\"f10\">x</span>");
        assert_eq!(one("\u{1b}[48;5;232mx"), "<span class=\"b0 ground\">x</span>");
        assert_eq!(one("\u{1b}[38:2:0:0:200mx"), "<span class=\"f4\">x</span>");
        assert_eq!(one("\u{1b}[7mx"), "<span class=\"inv\">x</span>");
    }

    #[test]
    fn other_sequences_leave_no_trace() {
        assert_eq!(one("\u{1b}]8;;https://example.com\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "link");
        assert_eq!(one("\u{1b}]0;title\u{7}text\u{1b}[2J\u{1b}[?25l\u{0}\u{9b}"), "text");
        assert_eq!(one("broken \u{1b}["), "broken ");
        assert_eq!(one("a\u{202e}b"), "a\u{fffd}b");
    }

    #[test]
    fn endless_lines_are_cut_with_a_word_about_it() {
        let html = one(&"é".repeat(MAX_LINE));
        assert!(
            html.ends_with(&format!("<span class=\"cut\">… {MAX_LINE} more bytes</span>")),
            "{}",
            &html[html.len() - 80..]
        );
    }
}
