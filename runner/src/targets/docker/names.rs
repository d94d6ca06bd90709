//! What an environment's objects are called. The names are made from ids and numbers alone, so that a run after a crash
//! finds what the one before made.

use std::fmt::Write as _;

/// The names of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentNames {
    slug: String,
    tail: String,
}

impl EnvironmentNames {
    /// From the environment's id and its name.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        let letters: Vec<char> = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let tail = letters.iter().skip(letters.len().saturating_sub(10)).collect::<String>().to_ascii_lowercase();
        EnvironmentNames { slug: slug(name), tail }
    }

    /// The network that the environment's containers share.
    #[must_use]
    pub fn network(&self) -> String {
        format!("slipway-{}-{}", self.slug, self.tail)
    }

    /// One replica of an app in a release; replicas count from 1.
    #[must_use]
    pub fn container(&self, app: &str, release_number: i64, replica: u32) -> String {
        format!("slipway-{}-{}-r{release_number}-{replica}-{}", self.slug, slug(app), self.tail)
    }

    /// An app of a release as a service of a Swarm, whose names have at most 63 characters.
    #[must_use]
    pub fn service(&self, app: &str, release_number: i64) -> String {
        let short = slug(app);
        let app = if short.len() <= SERVICE_SLUG_LIMIT { short } else { format!("{:08x}", fnv1a(app)) };
        format!("slipway-{}-{app}-r{release_number}", self.tail)
    }

    /// A command of an app in a release: `which` says when and in which place.
    #[must_use]
    pub fn command(&self, app: &str, release_number: i64, which: &str) -> String {
        format!("slipway-{}-{}-r{release_number}-{which}-{}", self.slug, slug(app), self.tail)
    }

    /// A named volume of the environment; it outlives releases.
    #[must_use]
    pub fn volume(&self, volume: &str) -> String {
        format!("slipway-{}-{}", self.tail, slug(volume))
    }

    /// An app's route at the proxy.
    #[must_use]
    pub fn route(&self, app: &str) -> String {
        format!("slipway-{}-{}", self.tail, slug(app))
    }

    /// The route of an app's preview at the proxy.
    #[must_use]
    pub fn preview_route(&self, app: &str) -> String {
        // No app's own route has a dot.
        format!("{}.preview", self.route(app))
    }

    /// Whether a route is one of the environment's own.
    #[must_use]
    pub fn owns_route(&self, id: &str) -> bool {
        id.strip_prefix("slipway-")
            .and_then(|rest| rest.strip_prefix(&self.tail))
            .is_some_and(|rest| rest.starts_with('-'))
    }
}

/// The longest part of a name that is taken over as it is.
const SLUG_LIMIT: usize = 40;

/// The longest part of a service's name that is taken over as it is: ten for the environment, twenty for the number.
const SERVICE_SLUG_LIMIT: usize = 22;

/// A name in lower-case letters, digits and dashes. Where that loses something, a short hash of the name follows, so
/// that `shop/web` and `shop.web` stay two.
fn slug(name: &str) -> String {
    let mut slug: String = name
        .chars()
        .take(SLUG_LIMIT)
        .map(|letter| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' })
        .collect();
    slug = slug.trim_matches('-').to_owned();
    if slug != name || slug.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(slug, "-{:08x}", fnv1a(name));
    }
    slug.trim_matches('-').to_owned()
}

/// FNV-1a, 32 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): stable over versions, as names must be.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::{EnvironmentNames, slug};

    #[test]
    fn names_are_made_from_ids_and_numbers() {
        let names = EnvironmentNames::new("01JABCDEFGHJKMNPQRSTVWXYZ0", "production");
        assert_eq!(names.network(), "slipway-production-qrstvwxyz0");
        assert_eq!(names.container("web", 12, 2), "slipway-production-web-r12-2-qrstvwxyz0");
        assert_eq!(names.service("web", 12), "slipway-qrstvwxyz0-web-r12");
        assert!(names.service(&"a".repeat(200), i64::MAX).len() <= 63);
        assert_eq!(names.volume("uploads"), "slipway-qrstvwxyz0-uploads");
        assert_eq!(names.route("web"), "slipway-qrstvwxyz0-web");
        assert!(names.owns_route("slipway-qrstvwxyz0-web") && !names.owns_route("slipway-qrstvwxyz00-web"));
    }

    #[test]
    fn names_that_a_container_cannot_have_stay_different() {
        assert_eq!(slug("web"), "web");
        assert_ne!(slug("shop/web"), slug("shop.web"));
        assert_ne!(slug(&"a".repeat(60)), slug(&"a".repeat(61)));
        for odd in ["shop/web", "Über", "", "/", "-a-", &"x".repeat(200)] {
            let slug = slug(odd);
            assert!(!slug.is_empty() && slug.len() <= 50, "{odd} -> {slug}");
            assert!(slug.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'));
        }
    }
}
