//! The packages of an image, as dpkg and apk keep account of them.

use std::collections::BTreeMap;

/// What is read of an image: the system's name, and the databases of its packages.
pub(crate) const PATHS: &[&str] = &[
    "/etc/os-release",
    "/usr/lib/os-release",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/status.d",
    "/lib/apk/db/installed",
    "/usr/lib/apk/db/installed",
];

/// The most packages, and the longest text that is told of one.
const MOST: usize = 20_000;
const LONGEST: usize = 200;

/// A package that is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Package {
    /// How package URLs call its kind: `deb` or `apk`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// As its database has it; empty where that says nothing.
    pub(crate) license: String,
}

/// What is known of an image's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// The system's short name, such as `debian`; empty where it has none.
    pub(crate) system: String,
    /// Its version, such as `12`.
    pub(crate) version: String,
    pub(crate) packages: Vec<Package>,
}

impl Inventory {
    /// Reads the files of an image. What cannot be read is left out: whoever made the image wrote them.
    pub(crate) fn of(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let text = |path: &str| files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let release = text("/etc/os-release").or_else(|| text("/usr/lib/os-release")).unwrap_or_default();
        let said = |name: &str| {
            let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            short(value.unwrap_or_default().trim_matches(['"', '\'']))
        };
        let mut packages = Vec::new();
        for (path, bytes) in files {
            let text = String::from_utf8_lossy(bytes);
            if path.starts_with("/var/lib/dpkg/") && !path.ends_with(".md5sums") {
                packages.extend(dpkg(&text));
            } else if path.ends_with("/apk/db/installed") {
                packages.extend(apk(&text));
            }
        }
        packages.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
        packages.dedup();
        packages.truncate(MOST);
        Inventory { system: said("ID"), version: said("VERSION_ID"), packages }
    }
}

/// dpkg's status: paragraphs of fields (deb-status in Debian's policy manual). What was removed has left its configuration.
fn dpkg(text: &str) -> Vec<Package> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let field = |name: &str| {
            let value = paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            short(value.unwrap_or_default())
        };
        let status = field("Status");
        let is_installed = status.is_empty() || status.ends_with(" installed");
        let (name, version) = (field("Package"), field("Version"));
        let architecture = field("Architecture");
        is_installed.then_some(Package { kind: "deb", name, version, architecture, license: String::new() })
    });
    paragraphs.flatten().filter(Package::is_whole).take(MOST).collect()
}

/// apk's list: paragraphs of letters (Alpine's wiki, "Apk spec").
fn apk(text: &str) -> Vec<Package> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let field = |letter: &str| {
            let value = paragraph.lines().find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'));
            short(value.unwrap_or_default())
        };
        Package { kind: "apk", name: field("P"), version: field("V"), architecture: field("A"), license: field("L") }
    });
    paragraphs.filter(Package::is_whole).take(MOST).collect()
}

impl Package {
    fn is_whole(&self) -> bool {
        !self.name.is_empty() && !self.version.is_empty()
    }
}

fn short(text: &str) -> String {
    text.trim().chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_as_the_system_keeps_account_of_them() {
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        let debian = Inventory::of(&BTreeMap::from([
            file("/etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n"),
            file(
                "/var/lib/dpkg/status",
                "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nDescription: C\n more\n\n\
                 Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
            ),
            file("/var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2026a\nArchitecture: all\n"),
        ]));
        assert_eq!((debian.system.as_str(), debian.version.as_str()), ("debian", "12"));
        let names: Vec<_> = debian.packages.iter().map(|it| (it.name.as_str(), it.version.as_str())).collect();
        assert_eq!(names, [("libc6", "2.36-9"), ("tzdata", "2026a")]);
        let alpine = Inventory::of(&BTreeMap::from([file(
            "/lib/apk/db/installed",
            "P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\nF:lib\n",
        )]));
        assert_eq!(alpine.packages.first().map(|it| (it.kind, it.license.as_str())), Some(("apk", "MIT")));
        let hostile = Inventory::of(&BTreeMap::from([
            file("/lib/apk/db/installed", &format!("P:{}\nV:1\u{1b}[31m\n\nV:2\n", "x".repeat(9_000))),
            file("/var/lib/dpkg/status", "\u{0}\u{0}\n\n\n\n"),
        ]));
        assert_eq!(hostile.packages.len(), 1);
        assert!(hostile.packages.iter().all(|it| it.name.len() == LONGEST && it.version == "1[31m"));
    }
}
