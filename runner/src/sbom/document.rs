//! An inventory as SPDX 2.3 (<https://spdx.github.io/spdx-spec/v2.3/>).

use chrono::DateTime;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::packages::{Inventory, Package};

/// What kind of artifact it is.
pub(crate) const KIND: &str = "application/spdx+json";
/// What it does not say.
const COMMENT: &str = "Packages that dpkg and apk account for. What was copied into the image besides, and packages of \
                       languages, are not in it.";

/// The document on an image, which was read at `now` (unix milliseconds).
pub(crate) fn document((image, digest): (&str, &str), inventory: &Inventory, now: i64) -> Value {
    let created = DateTime::from_timestamp_millis(now).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let whole = json!({
        "SPDXID": "SPDXRef-image",
        "name": image,
        "versionInfo": digest,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "CONTAINER",
    });
    let named: Vec<(String, &Package)> =
        (1..).zip(&inventory.packages).map(|(number, package)| (format!("SPDXRef-{number}"), package)).collect();
    let packages = named.iter().map(|(id, package)| described(id, package, inventory));
    let contained = named.iter().map(|(id, _)| relation("SPDXRef-image", "CONTAINS", id));
    let described = relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image");
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{image}@{digest}"),
        "documentNamespace": format!("urn:slipway:sbom:{digest}:{now}"),
        "creationInfo": {
            "created": created,
            "creators": [concat!("Tool: slipway-", env!("CARGO_PKG_VERSION"))],
            "comment": COMMENT,
        },
        "packages": std::iter::once(whole).chain(packages).collect::<Vec<_>>(),
        "relationships": std::iter::once(described).chain(contained).collect::<Vec<_>>(),
    })
}

fn described(id: &str, package: &Package, inventory: &Inventory) -> Value {
    let mut value = json!({
        "SPDXID": id,
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl(package, inventory),
        }],
    });
    // Databases write licences in words of their own, which are no SPDX expressions.
    if !package.license.is_empty() {
        value["comment"] = json!(format!("its database says of its licence: {}", package.license));
    }
    value
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

/// The package's URL: <https://github.com/package-url/purl-spec>
fn purl(package: &Package, inventory: &Inventory) -> String {
    let escaped = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let system = if inventory.system.is_empty() { package.kind } else { &inventory.system };
    let mut purl =
        format!("pkg:{}/{}/{}@{}", package.kind, escaped(system), escaped(&package.name), escaped(&package.version));
    let mut sign = '?';
    for (name, value) in [("arch", &package.architecture), ("distro", &distribution(inventory))] {
        if !value.is_empty() {
            purl.push(sign);
            purl += &format!("{name}={}", escaped(value));
            sign = '&';
        }
    }
    purl
}

fn distribution(inventory: &Inventory) -> String {
    match (inventory.system.as_str(), inventory.version.as_str()) {
        ("", _) => String::new(),
        (system, "") => system.to_owned(),
        (system, version) => format!("{system}-{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_part_of_the_image_under_a_name_that_scanners_know() {
        let package = Package {
            kind: "deb",
            name: "libstdc++6".to_owned(),
            version: "12.2-1".to_owned(),
            architecture: "amd64".to_owned(),
            license: String::new(),
        };
        let inventory = Inventory { system: "debian".to_owned(), version: "12".to_owned(), packages: vec![package] };
        let said = document(("reg/web", "sha256:aa"), &inventory, 0);
        assert_eq!(said["packages"][0]["versionInfo"], "sha256:aa");
        assert_eq!(
            said["packages"][1]["externalRefs"][0]["referenceLocator"],
            "pkg:deb/debian/libstdc%2B%2B6@12.2-1?arch=amd64&distro=debian-12"
        );
        assert_eq!(said["relationships"][1]["relatedSpdxElement"], said["packages"][1]["SPDXID"]);
    }
}
