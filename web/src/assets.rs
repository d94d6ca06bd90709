//! Style, script and pictures, compiled in and served under addresses that name their content, so that browsers keep them for ever.

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// One file as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its bytes.
    pub body: Cow<'static, [u8]>,
    /// Its media type.
    pub content_type: &'static str,
}

static ADDRESSES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    Files::iter()
        .filter_map(|name| {
            let hash = Files::get(&name)?.metadata.sha256_hash();
            let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            Some((name.to_string(), format!("/assets/{short}/{name}")))
        })
        .collect()
});

/// The address of a file of `assets/`, with the hash of its content in it. A name that is not there gives an empty address,
/// which a test of the templates catches.
#[must_use]
pub fn address(name: &str) -> &'static str {
    ADDRESSES.get(name).map_or("", String::as_str)
}

/// Finds the file behind `/assets/{hash}/{name}`; none when the name is unknown or the content has another hash by now.
#[must_use]
pub fn find(hash: &str, name: &str) -> Option<Asset> {
    if ADDRESSES.get(name)? != &format!("/assets/{hash}/{name}") {
        return None;
    }
    let content_type = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Some(Asset { body: Files::get(name)?.data, content_type })
}

/// The names of all files, for tools that copy them.
pub fn names() -> impl Iterator<Item = &'static str> {
    ADDRESSES.keys().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::{address, find};

    #[test]
    fn an_address_leads_to_its_file_and_a_stale_one_nowhere() {
        let address = address("slipway.css");
        let mut parts = address.trim_start_matches("/assets/").splitn(2, '/');
        let (hash, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        assert_eq!(name, "slipway.css");
        assert_eq!(find(hash, name).map(|asset| asset.content_type), Some("text/css; charset=utf-8"));
        assert!(find("000000000000", name).is_none());
        assert!(find(hash, "../Cargo.toml").is_none());
    }

    #[test]
    fn the_script_stays_small() {
        let address = address("slipway.js");
        let hash = address.split('/').nth(2).unwrap_or_default();
        let size = find(hash, "slipway.js").map_or(usize::MAX, |asset| asset.body.len());
        assert!(size < 15_000, "slipway.js has {size} bytes");
    }
}
