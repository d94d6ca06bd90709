//! The forms in which a secret may come to a log.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// The shortest text that is looked for, in bytes.
pub const SHORTEST: usize = 4;
/// How many bytes tools put into one line of base64: 57 give 76 characters (GNU and BusyBox), 48 give 64 (OpenSSL, PEM).
const WRAPPED: [usize; 2] = [57, 48];

/// Hands every form of a value to `found`.
pub(super) fn of(value: &str, found: &mut impl FnMut(Vec<u8>)) {
    let mut texts = vec![value, value.trim()];
    texts.extend(value.lines().map(str::trim));
    for text in texts.into_iter().filter(|text| text.len() >= SHORTEST) {
        // A log's lines hold no line ending, but encoded forms of a whole value do.
        if !text.contains(['\n', '\r']) {
            found(text.as_bytes().to_vec());
        }
        json(text, found);
        url(text, found);
        base64(text.as_bytes(), found);
        hex(text.as_bytes(), found);
    }
}

/// As `xxd -p`, `od` without spaces and many programs write bytes.
fn hex(bytes: &[u8], found: &mut impl FnMut(Vec<u8>)) {
    let lower: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    found(lower.to_uppercase().into_bytes());
    found(lower.into_bytes());
}

/// Encoders differ in what they escape beyond what they must.
fn json(text: &str, found: &mut impl FnMut(Vec<u8>)) {
    let Ok(quoted) = serde_json::to_string(text) else { return };
    let inner = &quoted[1..quoted.len() - 1];
    let markup = |c| matches!(c, '<' | '>' | '&');
    let beyond_ascii = |c: char| !c.is_ascii();
    let forms = [
        inner.to_owned(),
        // Go, which much of what runs in containers is written in.
        escaped(inner, markup, false),
        // Python, Ruby on request, and PHP, which escapes slashes as well.
        escaped(inner, beyond_ascii, false),
        escaped(inner, beyond_ascii, false).replace('/', "\\/"),
        inner.replace('/', "\\/"),
        // .NET.
        escaped(
            &inner.replace("\\\"", "\\u0022"),
            |c| markup(c) || beyond_ascii(c) || matches!(c, '\'' | '+' | '`'),
            true,
        ),
    ];
    forms.into_iter().filter(|form| form != text).for_each(|form| found(form.into_bytes()));
}

/// The text with these characters as `\uXXXX`, in UTF-16 as RFC 8259 wants it.
fn escaped(text: &str, is_escaped: impl Fn(char) -> bool, upper: bool) -> String {
    let mut units = [0; 2];
    text.chars().fold(String::new(), |mut form, character| {
        if !is_escaped(character) {
            form.push(character);
            return form;
        }
        for unit in character.encode_utf16(&mut units) {
            form.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
        form
    })
}

fn url(text: &str, found: &mut impl FnMut(Vec<u8>)) {
    // RFC 3986's unreserved characters stay; what else stays differs from tool to tool.
    for kept in ["-._~", "-._~!*'()", "-._~/", "-._~:/?#[]@!$&'()*+,;="] {
        for upper in [true, false] {
            let encoded: String = text
                .bytes()
                .map(|byte| match byte {
                    byte if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) => {
                        char::from(byte).to_string()
                    }
                    byte if upper => format!("%{byte:02X}"),
                    byte => format!("%{byte:02x}"),
                })
                .collect();
            if encoded != text {
                found(encoded.replace("%20", "+").into_bytes());
                found(encoded.into_bytes());
            }
        }
    }
}

fn base64(bytes: &[u8], found: &mut impl FnMut(Vec<u8>)) {
    for before in 0..3 {
        encoded(bytes, before, found);
    }
    for width in WRAPPED {
        if bytes.len() > width {
            bytes.chunks(width).for_each(|line| encoded(line, 0, found));
        }
    }
}

/// The characters that stand for these bytes alone when `before` others, modulo three, stand before them.
fn encoded(bytes: &[u8], before: usize, found: &mut impl FnMut(Vec<u8>)) {
    // Each character stands for six bits: those that share bits with what stands before or after are not the secret's.
    let mut padded = vec![0; before];
    padded.extend_from_slice(bytes);
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        let text = engine.encode(&padded);
        if let Some(own) = text.get(first..last).filter(|own| own.len() >= SHORTEST) {
            found(own.as_bytes().to_vec());
        }
    }
}
