//! What belongs to an image in its registry: OCI artifacts whose subject the image is.

use oci_client::{
    Client, Reference,
    errors::{OciDistributionError, Result as OciResult},
    manifest::{
        IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE,
        OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageIndex, OciImageManifest,
    },
    secrets::RegistryAuth,
};
use reqwest::header::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::{Registry, RegistryError, error, names, pinned, tag::media_type};

/// The configuration of an artifact that has none: the OCI image specification's "empty descriptor".
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_CONTENT: &[u8] = b"{}";

/// The most artifacts that one image has by its referrers tag.
const MOST_REFERRERS: usize = 1_000;

/// Something to attach to an image.
#[derive(Debug, Clone, Copy)]
pub struct Attachment<'a> {
    /// What kind of thing it is: a media type.
    pub kind: &'a str,
    /// What it holds.
    pub content: &'a [u8],
    /// What its manifest says of it.
    pub annotations: &'a [(&'a str, &'a str)],
}

impl Registry {
    /// Attaches something to the image that the registry holds under `image@digest`, and answers with the digest of the
    /// artifact. What is attached already stays as it is.
    ///
    /// A registry without the referrers API is served by the tag that stands in for it
    /// (OCI distribution specification, "Referrers Tag Schema").
    ///
    /// # Errors
    /// As [`Registry::digest`]; [`RegistryError::Failing`] when the registry takes no artifacts.
    pub async fn attach(&self, image: &str, digest: &str, what: Attachment<'_>) -> Result<String, RegistryError> {
        let subject = names::parse(&pinned(image, digest))?;
        let attached = self.ask(image, async |client, auth| attach(client, auth, &subject, what).await).await?;
        let (host, credential) = self.login(image)?;
        match attached {
            Ok(artifact) => Ok(artifact),
            Err(failure) => match error::interpret(failure, &host, credential)? {
                Some(artifact) => Ok(artifact),
                None => Err(RegistryError::Failing { host, reason: format!("it does not hold {digest} any more") }),
            },
        }
    }
}

async fn attach(client: &Client, auth: &RegistryAuth, subject: &Reference, what: Attachment<'_>) -> OciResult<String> {
    // 1. What it is attached to, as its descriptor names it, and the contents: none needs another.
    let (subject_of, config, layer) = futures_util::try_join!(
        described(client, auth, subject),
        send(client, auth, subject, EMPTY, EMPTY_CONTENT),
        send(client, auth, subject, what.kind, what.content),
    )?;
    // 2. The artifact's manifest.
    let annotations = what.annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        artifact_type: Some(what.kind.to_owned()),
        config,
        layers: vec![layer],
        subject: Some(subject_of),
        annotations: Some(annotations.collect()),
        ..OciImageManifest::default()
    };
    let bytes = json(&manifest)?;
    let artifact = digest_of(&bytes);
    let entry = ImageIndexEntry {
        media_type: OCI_IMAGE_MEDIA_TYPE.to_owned(),
        digest: artifact.clone(),
        size: length(&bytes),
        platform: None,
        annotations: manifest.annotations.clone(),
        artifact_type: manifest.artifact_type.clone(),
    };
    let place = subject.clone_with_digest(artifact.clone());
    client.push_manifest_raw(&place, bytes, HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE)).await?;
    // 3. How it is found from the image.
    let known = client.pull_referrers(subject, None).await?;
    if !known.manifests.iter().any(|known| known.digest == entry.digest) {
        list(client, auth, subject, entry).await?;
    }
    Ok(artifact)
}

/// Adds an artifact to the index under the tag that stands in for the referrers API.
async fn list(client: &Client, auth: &RegistryAuth, subject: &Reference, entry: ImageIndexEntry) -> OciResult<()> {
    let tag = subject.digest().unwrap_or_default().replace(':', "-");
    let place = Reference::with_tag(subject.registry().to_owned(), subject.repository().to_owned(), tag);
    let mut index = match found(client.pull_manifest_raw(&place, auth, &[OCI_IMAGE_INDEX_MEDIA_TYPE]).await)? {
        Some((bytes, _)) => serde_json::from_slice(&bytes)
            .map_err(|error| OciDistributionError::ManifestParsingError(error.to_string()))?,
        None => OciImageIndex {
            schema_version: 2,
            media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
            manifests: Vec::new(),
            artifact_type: None,
            annotations: None,
        },
    };
    if index.manifests.len() >= MOST_REFERRERS {
        let why = format!("more than {MOST_REFERRERS} artifacts are attached to the image");
        return Err(OciDistributionError::GenericError(Some(why)));
    }
    index.manifests.push(entry);
    client.push_manifest_raw(&place, json(&index)?, HeaderValue::from_static(OCI_IMAGE_INDEX_MEDIA_TYPE)).await?;
    Ok(())
}

/// The descriptor of an image.
async fn described(client: &Client, auth: &RegistryAuth, image: &Reference) -> OciResult<OciDescriptor> {
    let kinds =
        [IMAGE_MANIFEST_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE];
    let (bytes, digest) = client.pull_manifest_raw(image, auth, &kinds).await?;
    let media_type = media_type(&bytes).to_str().unwrap_or(OCI_IMAGE_MEDIA_TYPE).to_owned();
    Ok(OciDescriptor { media_type, digest, size: length(&bytes), ..OciDescriptor::default() })
}

/// Sends a blob to where an image is, and answers with its descriptor.
pub(super) async fn send(
    client: &Client,
    auth: &RegistryAuth,
    beside: &Reference,
    media_type: &str,
    content: &[u8],
) -> OciResult<OciDescriptor> {
    client.store_auth_if_needed(beside.resolve_registry(), auth).await;
    let digest = digest_of(content);
    client.push_blob(beside, content.to_vec(), &digest).await?;
    Ok(OciDescriptor { media_type: media_type.to_owned(), digest, size: length(content), ..OciDescriptor::default() })
}

/// What was asked for; none where the registry has nothing of the name.
pub(super) fn found<T>(answer: OciResult<T>) -> OciResult<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if error::is_missing(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> OciResult<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| OciDistributionError::GenericError(Some(error.to_string())))
}

pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}
