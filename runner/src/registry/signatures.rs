//! Signatures on images, where cosign keeps them: under a tag beside the image, a layer for each.

use futures_util::TryStreamExt as _;
use oci_client::{
    Client, Reference,
    errors::{OciDistributionError, Result as OciResult},
    manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest},
    secrets::RegistryAuth,
};
use reqwest::header::HeaderValue;
use serde_json::json;

use super::{
    Registry, RegistryError,
    attach::{digest_of, found, json as json_of, send},
    error, names, pinned,
};
use crate::signing::Signature;

/// A layer that holds what was signed.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Its annotation with the signature, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The configuration that cosign gives a manifest of signatures.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The most signatures of one image that are looked at, and the longest text that one signs, in bytes.
const MOST_SIGNATURES: usize = 50;
const LONGEST_PAYLOAD: usize = 64 * 1024;

/// What is found of an image's signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// The signatures, which nobody has looked at yet.
    pub signatures: Vec<Signature>,
    /// The digest of the manifest that holds them; empty where there is none.
    pub held_as: String,
}

impl Registry {
    /// The signatures on the image that the registry holds under `image@digest`. Nobody has looked at them yet:
    /// [`Signature::is_on`] does.
    ///
    /// # Errors
    /// As [`Registry::digest`].
    pub async fn signatures(&self, image: &str, digest: &str) -> Result<Signatures, RegistryError> {
        let place = place(image, digest)?;
        let read = async |client: &Client, auth: &RegistryAuth| read(client, auth, &place).await;
        let answer = self.ask(image, read).await?;
        let (host, credential) = self.login(image)?;
        match answer {
            Ok(found) => Ok(found),
            Err(failure) => error::interpret(failure, &host, credential).map(|_| Signatures::default()),
        }
    }

    /// Adds a signature to those on an image, and answers with the digest of the manifest that holds them all.
    ///
    /// # Errors
    /// As [`Registry::digest`].
    pub async fn sign(&self, image: &str, digest: &str, signature: &Signature) -> Result<String, RegistryError> {
        let place = place(image, digest)?;
        let added = async |client: &Client, auth: &RegistryAuth| add(client, auth, &place, signature).await;
        let answer = self.ask(image, added).await?;
        let (host, credential) = self.login(image)?;
        match answer {
            Ok(digest) => Ok(digest),
            Err(failure) => error::interpret(failure, &host, credential)?
                .ok_or(RegistryError::Failing { host, reason: "it takes no signatures".to_owned() }),
        }
    }
}

/// Where the signatures on an image are.
fn place(image: &str, digest: &str) -> Result<Reference, RegistryError> {
    let subject = names::parse(&pinned(image, digest))?;
    let tag = format!("{}.sig", digest.replace(':', "-"));
    Ok(Reference::with_tag(subject.registry().to_owned(), subject.repository().to_owned(), tag))
}

async fn manifest(
    client: &Client,
    auth: &RegistryAuth,
    place: &Reference,
) -> OciResult<Option<(OciImageManifest, String)>> {
    let Some((bytes, digest)) = found(client.pull_manifest_raw(place, auth, &[OCI_IMAGE_MEDIA_TYPE]).await)? else {
        return Ok(None);
    };
    let read = serde_json::from_slice(&bytes);
    read.map(|manifest| Some((manifest, digest)))
        .map_err(|error| OciDistributionError::ManifestParsingError(error.to_string()))
}

async fn read(client: &Client, auth: &RegistryAuth, place: &Reference) -> OciResult<Signatures> {
    let Some((manifest, held_as)) = manifest(client, auth, place).await? else { return Ok(Signatures::default()) };
    let mut signatures = Vec::new();
    // The newest are the last: whoever puts others before them hides none.
    for layer in manifest.layers.iter().filter(|layer| layer.media_type == PAYLOAD).rev().take(MOST_SIGNATURES) {
        let Some(signature) = layer.annotations.as_ref().and_then(|said| said.get(SIGNATURE)) else { continue };
        if let Some(payload) = content(client, place, layer).await? {
            signatures.push(Signature { payload, signature: signature.clone() });
        }
    }
    Ok(Signatures { signatures, held_as })
}

/// A layer's text; none where it is longer than any that signs, or is not what its manifest says. It is asked for by its digest
/// alone: a manifest may name addresses of its own (`urls`), and whoever wrote it is a stranger.
async fn content(client: &Client, place: &Reference, layer: &OciDescriptor) -> OciResult<Option<String>> {
    let mut stream = client.pull_blob_stream(place, layer.digest.as_str()).await?.stream;
    let mut bytes = Vec::new();
    while let Some(part) = stream.try_next().await? {
        bytes.extend_from_slice(&part);
        if bytes.len() > LONGEST_PAYLOAD {
            return Ok(None);
        }
    }
    let is_whole = digest_of(&bytes) == layer.digest;
    Ok(String::from_utf8(bytes).ok().filter(|_| is_whole))
}

async fn add(client: &Client, auth: &RegistryAuth, place: &Reference, signature: &Signature) -> OciResult<String> {
    let known = manifest(client, auth, place).await?;
    let mut layers = known.map(|(manifest, _)| manifest.layers).unwrap_or_default();
    let mut layer = send(client, auth, place, PAYLOAD, signature.payload.as_bytes()).await?;
    layer.annotations = Some([(SIGNATURE.to_owned(), signature.signature.clone())].into());
    layers.push(layer);
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let never = "0001-01-01T00:00:00Z";
    let config = json!({
        "architecture": "", "os": "", "created": never, "config": {},
        "history": layers.iter().map(|_| json!({"created": never})).collect::<Vec<_>>(),
        "rootfs": {"type": "layers", "diff_ids": digests},
    });
    let config = send(client, auth, place, CONFIG, config.to_string().as_bytes()).await?;
    let media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
    let bytes = json_of(&OciImageManifest { media_type, config, layers, ..OciImageManifest::default() })?;
    let digest = digest_of(&bytes);
    client.push_manifest_raw(place, bytes, HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE)).await?;
    Ok(digest)
}
