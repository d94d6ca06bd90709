//! A plan on a tree that is there already.

use std::collections::BTreeMap;

use slipway_pipelines::plan::Plan;
use tokio_util::sync::CancellationToken;

use super::{BrokenOff, carry_out::carry_out, declare, step::Bench, subject::Subject};
use crate::{
    coordinator::{JobResult, SecretValue},
    images::{BuildKit, ContextLimits},
    reporter::{ReportError, Reporter},
    steps::Site,
};

/// What a build is given besides its plan.
#[derive(Debug)]
pub(crate) struct Given {
    /// What is built.
    pub(crate) subject: Subject,
    /// What steps may name.
    pub(crate) secrets: Vec<SecretValue>,
    /// By app: the names that its image keeps on the engine.
    pub(crate) names: BTreeMap<String, Vec<String>>,
    /// By app: the id of the image that is there already.
    pub(crate) built: BTreeMap<String, String>,
    /// Whether images are built without the layers that earlier builds left.
    pub(crate) is_fresh: bool,
}

/// Declares and carries out a plan's steps.
///
/// # Errors
/// When a report is refused.
pub(crate) async fn on_tree(
    plan: Plan,
    site: Site,
    given: Given,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<JobResult, ReportError> {
    reporter.declare(declare::steps(&plan, &[], &[])).await?;
    let builder = BuildKit::new(site.engine().clone(), ContextLimits::default(), site.limits().network);
    let Given { subject, secrets, names, built, is_fresh } = given;
    let bench = Bench::new(subject, secrets, &site, &builder, cancel).keeping(names).fresh(is_fresh);
    for (app, id) in built {
        if let Err(error) = bench.adopt(&plan, &app, &id).await {
            return Ok(JobResult::Failed { reason: error.to_string() });
        }
    }
    carry_out(plan, bench, &[], reporter).await.map_err(|broken| match broken {
        BrokenOff::Report(error) => error,
        // Not met: nobody goes on with such a build, so that its steps fail by an engine that is away.
        BrokenOff::EngineLost => ReportError::Refused { reason: broken.to_string() },
    })
}
