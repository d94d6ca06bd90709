//! What runners on other machines ask, under `/api/runner/v1`: the runner's trait over HTTP, one route for each method.
//!
//! 409 says that the lease is lost, any other 4xx that what was sent is refused for good, 503 that the same may succeed
//! later. Who asks is proved by the token before a byte of the body is read, and the runner is the token's.

mod sent;

use axum::{Json, extract::FromRequestParts, http::request::Parts};
use serde_json::{Value, json};
use slipway_runner::{
    coordinator::{
        ClaimReply, ClaimRequest, CollectionReport, Coordinator as _, CoordinatorError, EnvironmentReport, Heartbeat,
        Hello, Hosting, HostingQuestion, JobResult, KeptImages, LeaseKey, Lending, LogAnswer, LogChunk, Measurements,
        PROTOCOL, Readings, Resumption, Signature, SignatureRequest, Steering, SteeringRequest, StepDeclaration,
        StepResult, Verdict,
    },
    remote::LIFE_HEADER,
};

use super::{errors::Problem, extract::Named};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    queue::ServerCoordinator,
};
use sent::Sent;

/// The longest that a claim is kept waiting, in milliseconds: less than any request may take.
const LONGEST_WAIT_MS: u64 = 45_000;

/// The most bytes of a message that names leases.
const LEASES: usize = 256 * 1024;
/// Of a question about images, and of what a runner keeps.
const DIGESTS: usize = 1024 * 1024;
/// Of how an environment's replicas stand, of which there are a few thousand at most.
const ENVIRONMENT: usize = 4 * 1024 * 1024;
/// Of what was measured of as many containers.
const MEASUREMENTS: usize = 8 * 1024 * 1024;
/// Of a job's steps.
const STEPS: usize = 4 * 1024 * 1024;
/// Of a chunk of a log: a runner's chunks have 64 KiB of text, which JSON may make six times as long, and more for
/// many short lines.
const CHUNK: usize = 4 * 1024 * 1024;
/// Of the last lines of a container, which JSON may make six times as long.
const CONTAINER_LOG: usize = 4 * 1024 * 1024;
/// Of a step's result.
const RESULT: usize = 256 * 1024;
/// Of a job's result, with its artifacts and all that captain.yml says of releases.
const JOB_RESULT: usize = 4 * 1024 * 1024;

pub(super) fn routes() -> Routes {
    let needs = Permission::RunJobs;
    Routes::new()
        .post("/api/runner/v1/register", needs, register)
        .post("/api/runner/v1/claim", needs, claim)
        .post("/api/runner/v1/heartbeat", needs, heartbeat)
        .post("/api/runner/v1/kept-images", needs, kept_images)
        .post("/api/runner/v1/collected", needs, collected)
        .post("/api/runner/v1/container-log", needs, answer_log)
        .post("/api/runner/v1/hosting", needs, hosting)
        .post("/api/runner/v1/environment", needs, report_environment)
        .post("/api/runner/v1/measurements", needs, report_measurements)
        .post("/api/runner/v1/jobs/{job}/{epoch}/resume", needs, resume)
        .post("/api/runner/v1/jobs/{job}/{epoch}/steering", needs, steering)
        .post("/api/runner/v1/jobs/{job}/{epoch}/login", needs, clone_login)
        .put("/api/runner/v1/jobs/{job}/{epoch}/steps", needs, declare)
        .put("/api/runner/v1/jobs/{job}/{epoch}/steps/{index}/start", needs, start)
        .put("/api/runner/v1/jobs/{job}/{epoch}/steps/{index}/log/{seq}", needs, append_log)
        .put("/api/runner/v1/jobs/{job}/{epoch}/steps/{index}/readings", needs, report_readings)
        .post("/api/runner/v1/jobs/{job}/{epoch}/steps/{index}/signature", needs, sign)
        .put("/api/runner/v1/jobs/{job}/{epoch}/steps/{index}/result", needs, finish_step)
        .put("/api/runner/v1/jobs/{job}/{epoch}/result", needs, finish_job)
}

/// The queue as one runner may use it.
struct Own(ServerCoordinator);

impl FromRequestParts<AppState> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match parts.extensions.get::<Principal>() {
            Some(Principal::Runner { id, .. }) => {
                let life = parts.headers.get(LIFE_HEADER).and_then(|life| life.to_str().ok());
                Ok(Own(state.coordinator.for_runner(id).in_life(life)))
            }
            _ => Err(Problem::forbidden("This is for runners alone.")),
        }
    }
}

impl From<CoordinatorError> for Problem {
    fn from(error: CoordinatorError) -> Self {
        match error {
            lost @ CoordinatorError::LeaseLost { .. } => Problem::conflict(lost.to_string()),
            CoordinatorError::Refused { reason } => Problem::unprocessable(reason),
            CoordinatorError::Unavailable { reason } => Problem::unavailable(reason),
        }
    }
}

fn done() -> Json<Value> {
    Json(json!({}))
}

async fn register(Own(queue): Own, Sent(hello): Sent<Hello, LEASES>) -> Result<Json<Value>, Problem> {
    queue.register(hello).await?;
    Ok(Json(json!({"protocol": PROTOCOL, "version": env!("CARGO_PKG_VERSION")})))
}

async fn claim(Own(queue): Own, Sent(mut request): Sent<ClaimRequest, LEASES>) -> Result<Json<ClaimReply>, Problem> {
    request.wait_ms = request.wait_ms.min(LONGEST_WAIT_MS);
    Ok(Json(queue.claim(request).await?))
}

async fn heartbeat(
    Own(queue): Own,
    Sent(beat): Sent<Heartbeat, LEASES>,
) -> Result<Json<Vec<(LeaseKey, Verdict)>>, Problem> {
    Ok(Json(queue.heartbeat(beat).await?))
}

async fn kept_images(Own(queue): Own, Sent(question): Sent<KeptImages, DIGESTS>) -> Result<Json<Vec<String>>, Problem> {
    Ok(Json(queue.kept_images(question).await?))
}

async fn collected(Own(queue): Own, Sent(report): Sent<CollectionReport, DIGESTS>) -> Result<Json<Value>, Problem> {
    queue.collected(report).await?;
    Ok(done())
}

async fn answer_log(Own(queue): Own, Sent(answer): Sent<LogAnswer, CONTAINER_LOG>) -> Result<Json<Value>, Problem> {
    queue.answer_log(answer).await?;
    Ok(done())
}

async fn hosting(Own(queue): Own, Sent(question): Sent<HostingQuestion, LEASES>) -> Result<Json<Hosting>, Problem> {
    Ok(Json(queue.hosting(question).await?))
}

async fn report_environment(
    Own(queue): Own,
    Sent(report): Sent<EnvironmentReport, ENVIRONMENT>,
) -> Result<Json<Value>, Problem> {
    queue.report_environment(report).await?;
    Ok(done())
}

async fn report_measurements(
    Own(queue): Own,
    Sent(measured): Sent<Measurements, MEASUREMENTS>,
) -> Result<Json<Value>, Problem> {
    queue.report_measurements(measured).await?;
    Ok(done())
}

async fn resume(Own(queue): Own, Named((job, epoch)): Named<(String, i64)>) -> Result<Json<Resumption>, Problem> {
    Ok(Json(queue.resume(&LeaseKey { job, epoch }).await?))
}

async fn steering(
    Own(queue): Own,
    Named((job, epoch)): Named<(String, i64)>,
    Sent(mut asked): Sent<SteeringRequest, LEASES>,
) -> Result<Json<Steering>, Problem> {
    asked.wait_ms = asked.wait_ms.min(LONGEST_WAIT_MS);
    Ok(Json(queue.steering(&LeaseKey { job, epoch }, asked).await?))
}

async fn declare(
    Own(queue): Own,
    Named((job, epoch)): Named<(String, i64)>,
    Sent(steps): Sent<Vec<StepDeclaration>, STEPS>,
) -> Result<Json<Value>, Problem> {
    queue.declare_steps(&LeaseKey { job, epoch }, steps).await?;
    Ok(done())
}

async fn start(Own(queue): Own, Named((job, epoch, index)): Named<(String, i64, u32)>) -> Result<Json<Value>, Problem> {
    queue.start_step(&LeaseKey { job, epoch }, index).await?;
    Ok(done())
}

async fn append_log(
    Own(queue): Own,
    Named((job, epoch, index, seq)): Named<(String, i64, u32, i64)>,
    Sent(chunk): Sent<LogChunk, CHUNK>,
) -> Result<Json<Value>, Problem> {
    if chunk.seq != seq {
        return Err(Problem::unprocessable(format!("chunk {} was sent to the address of chunk {seq}", chunk.seq)));
    }
    queue.append_log(&LeaseKey { job, epoch }, index, chunk).await?;
    Ok(done())
}

async fn report_readings(
    Own(queue): Own,
    Named((job, epoch, index)): Named<(String, i64, u32)>,
    Sent(readings): Sent<Readings, RESULT>,
) -> Result<Json<Value>, Problem> {
    queue.report_readings(&LeaseKey { job, epoch }, index, readings).await?;
    Ok(done())
}

async fn sign(
    Own(queue): Own,
    Named((job, epoch, index)): Named<(String, i64, u32)>,
    Sent(asked): Sent<SignatureRequest, LEASES>,
) -> Result<Json<Signature>, Problem> {
    Ok(Json(queue.sign(&LeaseKey { job, epoch }, index, asked).await?))
}

async fn clone_login(Own(queue): Own, Named((job, epoch)): Named<(String, i64)>) -> Result<Json<Lending>, Problem> {
    Ok(Json(queue.clone_login(&LeaseKey { job, epoch }).await?))
}

async fn finish_step(
    Own(queue): Own,
    Named((job, epoch, index)): Named<(String, i64, u32)>,
    Sent(result): Sent<StepResult, RESULT>,
) -> Result<Json<Value>, Problem> {
    queue.finish_step(&LeaseKey { job, epoch }, index, result).await?;
    Ok(done())
}

async fn finish_job(
    Own(queue): Own,
    Named((job, epoch)): Named<(String, i64)>,
    Sent(result): Sent<JobResult, JOB_RESULT>,
) -> Result<Json<Value>, Problem> {
    queue.finish_job(&LeaseKey { job, epoch }, result).await?;
    Ok(done())
}
