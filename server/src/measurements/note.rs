//! What is not measured of what is live, in words.

use slipway_pipelines::config::TargetKind;

use crate::{
    ids::EnvironmentId,
    store::{self, Conn, StoreError},
};

const ON_A_SWARM: &str = "CPU and memory are those of the replicas on the node of the runner's engine: the engines of the Swarm's other nodes \
                          cannot be asked. Health is of all replicas. What ends is replaced by Swarm, and told as found amiss.";

/// What is not measured of what is live in an environment; none where all of it is.
///
/// # Errors
/// When the database fails.
pub async fn unmeasured(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Option<&'static str>, StoreError> {
    let live = store::releases::live(conn, environment).await?;
    let is_on_a_swarm = live.is_some_and(|live| live.content().target() == TargetKind::Swarm);
    Ok(is_on_a_swarm.then_some(ON_A_SWARM))
}
