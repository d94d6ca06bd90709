//! What browsers call themselves, in words that people know them by.

/// The mark of each program in what it sends, and what people call it. Those that others pass themselves off as come last.
const PROGRAMS: [(&str, &str); 8] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// `Firefox 145 on Linux`; as it was sent where it is none of the known ones.
#[must_use]
pub(crate) fn words(sent: &str) -> String {
    let program = PROGRAMS.iter().find_map(|(mark, name)| Some((*name, sent.split_once(mark)?.1)));
    let Some((name, rest)) = program else { return sent.to_owned() };
    let version = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let system = SYSTEMS.iter().find(|(mark, _)| sent.contains(mark));
    match (version, system) {
        ("", _) => sent.to_owned(),
        (version, Some((_, system))) => format!("{name} {version} on {system}"),
        (version, None) => format!("{name} {version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn browsers_are_called_as_people_call_them() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.1";
        let chrome = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36";
        let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15";
        assert_eq!(words(firefox), "Firefox 145 on Linux");
        assert_eq!(words(edge), "Edge 142 on Windows");
        assert_eq!(words(chrome), "Chrome 142 on Android");
        assert_eq!(words(safari), "Safari 26 on macOS");
    }

    #[test]
    fn what_is_not_known_stays_as_it_was_sent() {
        for sent in ["curl/8.14.1", "", "Firefox/", "<b>Chrome/</b>"] {
            assert_eq!(words(sent), sent);
        }
    }
}
