//! Why there is no plan.

use crate::{conditions::PatternError, diagnostics::Diagnostics, variables::TemplateError};

/// Why there is no plan for this trigger, although the configuration can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A text with variables gives, with this trigger's values, something that cannot stand there.
    #[error("{app}: {what} \"{template}\" gives \"{value}\" for this build: {reason}")]
    Value {
        /// The app.
        app: String,
        /// What the text is.
        what: &'static str,
        /// The text as written.
        template: String,
        /// The text as expanded.
        value: String,
        /// Why it cannot stand there.
        reason: String,
    },
    /// A text uses a variable that does not exist.
    #[error("{app}: {source}")]
    Template {
        /// The app.
        app: String,
        /// What is wrong.
        source: TemplateError,
    },
    /// A condition cannot be read.
    #[error("{app}: {source}")]
    Pattern {
        /// The app.
        app: String,
        /// What is wrong.
        source: PatternError,
    },
    /// Two apps name the same image, so that one would be pushed over the other.
    #[error("{first} and {second} both build the image \"{image}\" in this build; give each its own name")]
    SameImage {
        /// The first app.
        first: String,
        /// The second app.
        second: String,
        /// The image.
        image: String,
    },
    /// Two combinations of an app's matrix come to the same image.
    #[error("{first} and {second} both build the image \"{image}\"; put ${{{variable}}} into \"image\"")]
    SameCombination {
        /// The first combination.
        first: String,
        /// The second combination.
        second: String,
        /// The image.
        image: String,
        /// A variable in which they differ.
        variable: String,
    },
    /// A matrix has more combinations than are run.
    #[error("{of} has a matrix of {count} combinations; the limit is {limit}")]
    TooManyCombinations {
        /// The app or step.
        of: String,
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// There are more steps than one build may have.
    #[error("the build has {count} steps; the limit is {limit}")]
    TooManySteps {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A name that is no app's.
    #[error("{by} \"{name}\", and there is no such app; {hint}")]
    UnknownApp {
        /// Who names it, such as `web needs`.
        by: String,
        /// The name.
        name: String,
        /// The nearest name, or all.
        hint: String,
    },
    /// How an environment runs the apps cannot be read.
    #[error("the environment {environment}: {problems}")]
    Compose {
        /// The environment.
        environment: String,
        /// What is wrong with its compose file.
        problems: Diagnostics,
    },
    /// Apps that need each other.
    #[error("no app can be built first: {way}")]
    Circle {
        /// The way round, such as `web needs base (FROM shop/base in web/Dockerfile), base needs web (its "needs")`.
        way: String,
    },
    /// A step starts an app of which there are several.
    #[error("{app} starts \"{name}\", of which this build makes several: {several}; a service needs one")]
    StartsSeveral {
        /// The app whose step it is.
        app: String,
        /// The app that it starts.
        name: String,
        /// The combinations.
        several: String,
    },
    /// Two services of an app have the same address.
    #[error("{app} has two services called \"{name}\"; each needs a name of its own, which is its address")]
    SameService {
        /// The app.
        app: String,
        /// The name.
        name: String,
    },
}
