//! Giving an image that a registry holds another tag, by its manifest alone.

use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::{Registry, RegistryError, error, names, pinned};

/// What a manifest says of its own kind.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    /// Only an index has these.
    manifests: Option<serde::de::IgnoredAny>,
}

impl Registry {
    /// Lets `tag` name the image that the registry holds under `image@digest`. No layer is sent again.
    ///
    /// # Errors
    /// As [`Registry::digest`]; [`RegistryError::Failing`] when the registry has lost the image meanwhile.
    pub async fn tag(&self, image: &str, digest: &str, tag: &str) -> Result<(), RegistryError> {
        let source = names::parse(&pinned(image, digest))?;
        let target = names::parse(&format!("{image}:{tag}"))?;
        let kinds = [
            IMAGE_MANIFEST_MEDIA_TYPE,
            IMAGE_MANIFEST_LIST_MEDIA_TYPE,
            OCI_IMAGE_MEDIA_TYPE,
            OCI_IMAGE_INDEX_MEDIA_TYPE,
        ];
        let copied = self
            .ask(image, async |client, auth| {
                let (manifest, _) = client.pull_manifest_raw(&source, auth, &kinds).await?;
                let kind = media_type(&manifest);
                client.push_manifest_raw(&target, manifest, kind).await
            })
            .await?;
        let (host, credential) = self.login(image)?;
        match copied {
            Ok(_) => Ok(()),
            Err(failure) => match error::interpret(failure, &host, credential)? {
                Some(_) => Ok(()),
                None => Err(RegistryError::Failing { host, reason: format!("it does not hold {digest} any more") }),
            },
        }
    }
}

/// The kind as the manifest states it. OCI manifests may leave it out; then its shape tells
/// (OCI image specification, "Image Manifest" and "Image Index": `mediaType` SHOULD be used).
pub(super) fn media_type(manifest: &[u8]) -> HeaderValue {
    let kind: Option<Kind> = serde_json::from_slice(manifest).ok();
    let stated = kind.as_ref().and_then(|kind| HeaderValue::from_str(kind.media_type.as_deref()?).ok());
    let shape = match kind {
        Some(Kind { manifests: Some(_), .. }) => OCI_IMAGE_INDEX_MEDIA_TYPE,
        _ => OCI_IMAGE_MEDIA_TYPE,
    };
    stated.unwrap_or_else(|| HeaderValue::from_static(shape))
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn a_manifest_tells_its_kind_or_shows_it() {
        let docker = br#"{"mediaType":"application/vnd.docker.distribution.manifest.v2+json"}"#;
        assert_eq!(media_type(docker), "application/vnd.docker.distribution.manifest.v2+json");
        assert_eq!(media_type(br#"{"layers":[]}"#), "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(media_type(br#"{"manifests":[]}"#), "application/vnd.oci.image.index.v1+json");
    }
}
