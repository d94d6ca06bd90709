//! Texts with variables, filled in for one trigger and judged again.

use super::PlanError;
use crate::{
    config::Pairs,
    paths,
    variables::{self, TemplateError},
};

/// What the texts of one app or step may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    /// The app, for messages.
    pub(super) app: &'a str,
    pub(super) values: &'a [(String, String)],
    /// Whether they belong to something that this build leaves out. What is only shown may be what cannot be: the image
    /// of an app that is built on tags has no tag in it on a branch.
    pub(super) is_left_out: bool,
}

impl Texts<'_> {
    pub(super) fn expand(&self, template: &str) -> Result<String, PlanError> {
        variables::expand(template, self.values).map_err(|source| self.error(source))
    }

    pub(super) fn error(&self, source: TemplateError) -> PlanError {
        PlanError::Template { app: self.app.to_owned(), source }
    }

    pub(super) fn optional(&self, template: Option<&String>) -> Result<Option<String>, PlanError> {
        template.map(|text| self.expand(text)).transpose()
    }

    pub(super) fn all(&self, templates: &[String]) -> Result<Vec<String>, PlanError> {
        templates.iter().map(|text| self.expand(text)).collect()
    }

    pub(super) fn pairs(&self, pairs: &[(String, String)]) -> Result<Pairs, PlanError> {
        pairs.iter().map(|(name, value)| Ok((name.clone(), self.expand(value)?))).collect()
    }

    /// Expands a template whose value must satisfy more than being a text.
    pub(super) fn checked(
        &self,
        what: &'static str,
        template: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, PlanError> {
        let value = self.expand(template)?;
        match check(&value) {
            Err(reason) if !self.is_left_out => {
                Err(PlanError::Value { app: self.app.to_owned(), what, template: template.to_owned(), value, reason })
            }
            _ => Ok(value),
        }
    }

    /// A path within the repository, clean again once its variables are filled in.
    pub(super) fn path(&self, what: &'static str, template: &str) -> Result<String, PlanError> {
        let path = self.checked(what, template, |path| paths::clean(path).map(drop))?;
        Ok(paths::clean(&path).unwrap_or(path))
    }
}

/// Variables over variables: of two with the same name the one above stays.
pub(super) fn over(mut below: Pairs, above: &[(String, String)]) -> Pairs {
    below.retain(|(name, _)| above.iter().all(|(over, _)| over != name));
    below.extend_from_slice(above);
    below
}
