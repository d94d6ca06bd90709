//! A GitHub App: its key, and the proof that it has it.

use std::{collections::BTreeMap, process::Command};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

/// A GitHub App, with where it is installed.
#[derive(Debug)]
pub(super) struct App {
    pub(super) id: String,
    pub(super) public_key: Vec<u8>,
    pub(super) repository: String,
    pub(super) permissions: Value,
    /// Its tokens that are good: what each may.
    pub(super) tokens: BTreeMap<String, Value>,
    pub(super) made: u32,
}

/// A key of an App, as GitHub makes it.
#[derive(Debug)]
pub struct AppKey {
    /// The private key, as PEM.
    pub pem: String,
    pub(super) public: Vec<u8>,
}

impl AppKey {
    /// Makes one, in the form that GitHub gives (PKCS#1) or the other usual one (PKCS#8).
    ///
    /// # Panics
    /// When openssl does not work.
    #[must_use]
    pub fn new(pkcs1: bool) -> Self {
        let run = |arguments: &[&str]| {
            let done = Command::new("openssl").args(arguments).output().expect("openssl");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            done.stdout
        };
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("key.pem");
        let path = path.to_str().expect("a path");
        let form: &[&str] = if pkcs1 { &["genrsa", "-traditional"] } else { &["genrsa"] };
        run(&[form, &["-out", path, "2048"]].concat());
        let pem = std::fs::read_to_string(path).expect("the key");
        AppKey { pem, public: run(&["rsa", "-in", path, "-RSAPublicKey_out", "-outform", "DER"]) }
    }
}

impl App {
    /// Whether a JSON Web Token is this App's, and holds for no longer than GitHub allows.
    pub(super) fn proves(&self, token: &str) -> bool {
        let Some((signed, signature)) = token.rsplit_once('.') else { return false };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        if key.verify(signed.as_bytes(), &signature).is_err() {
            return false;
        }
        let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        let Some((Some(header), Some(claims))) = signed.split_once('.').map(|(one, two)| (part(one), part(two))) else {
            return false;
        };
        let time = |name: &str| claims[name].as_i64().unwrap_or_default();
        header == json!({"alg": "RS256", "typ": "JWT"})
            && claims["iss"] == json!(self.id)
            && (1..=600).contains(&(time("exp") - time("iat")))
    }
}
