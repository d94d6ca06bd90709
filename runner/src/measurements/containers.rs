//! Measuring the containers of releases.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use crate::{
    coordinator::ReplicaMeasurement,
    engine::{Engine, EngineError},
    targets::docker::{Resident, Vitals, residents, vitals},
};

/// How many containers are asked of at once: the engine has other work.
const AT_ONCE: usize = 4;

/// What was seen of a container the time before.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    cpu_ns: u64,
}

/// The containers as they were seen the time before.
#[derive(Debug, Default)]
pub(super) struct Containers {
    /// When they were all looked at; none before the first look.
    at: Option<Instant>,
    seen: HashMap<String, Seen>,
}

impl Containers {
    /// What the containers of a runner's releases used since the time before; none the first time.
    pub(super) async fn measure(
        &mut self,
        engine: &Engine,
        runner: &str,
        now: Instant,
    ) -> Result<Option<Vec<ReplicaMeasurement>>, EngineError> {
        let residents = residents(engine, runner).await?;
        let mut asked = Vec::with_capacity(residents.len());
        for resident in residents {
            asked.push(async move {
                let vitals = vitals(engine, &resident.id).await?;
                Ok::<_, EngineError>((resident, vitals, Instant::now()))
            });
        }
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        let (before, since) = (std::mem::take(&mut self.seen), self.at.replace(now));
        let mut measured = Vec::new();
        for (resident, vitals, at) in answers {
            // One that went meanwhile uses nothing.
            let Some(vitals) = vitals else { continue };
            // One that was not seen before was started since.
            let known = before.get(&resident.id).copied();
            let known = known.or_else(|| since.map(|at| Seen { at, cpu_ns: 0 }));
            measured.extend(known.and_then(|known| compare(&resident, known, &vitals, at)));
            self.seen.insert(resident.id, Seen { at, cpu_ns: vitals.cpu_ns });
        }
        Ok(since.map(|_| measured))
    }
}

/// What a container used between two looks; none where no time passed.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
fn compare(resident: &Resident, before: Seen, now: &Vitals, at: Instant) -> Option<ReplicaMeasurement> {
    let passed = at.saturating_duration_since(before.at);
    // What was counted begins anew with every start of the container.
    let used = now.cpu_ns.checked_sub(before.cpu_ns).unwrap_or(now.cpu_ns);
    (!passed.is_zero()).then(|| ReplicaMeasurement {
        environment: resident.environment.clone(),
        app: resident.app.clone(),
        cpu: used as f64 / passed.as_nanos() as f64,
        cpu_limit: now.cpus,
        memory: now.memory,
        memory_limit: now.memory_limit,
        restarts: u32::try_from(now.restarts).unwrap_or(0),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_used_is_an_average_and_begins_anew_with_the_container() {
        let resident = Resident { id: "c".to_owned(), environment: "e".to_owned(), app: "web".to_owned() };
        let vitals = |cpu_ns| Vitals {
            runs: true,
            restarts: 2,
            exit_code: 0,
            out_of_memory: false,
            cpu_ns,
            has_cpu_limit: true,
            cpus: 0.5,
            memory: 10,
            memory_limit: 20,
            has_memory_limit: true,
        };
        let start = Instant::now();
        let later = start + Duration::from_secs(4);
        let before = Seen { at: start, cpu_ns: 3_000_000_000 };
        let measured = compare(&resident, before, &vitals(4_000_000_000), later).unwrap();
        assert!((measured.cpu - 0.25).abs() < 1e-9, "a second in four: {}", measured.cpu);
        assert_eq!((measured.restarts, measured.memory, measured.memory_limit), (2, 10, 20));
        let anew = compare(&resident, before, &vitals(2_000_000_000), later).unwrap();
        assert!((anew.cpu - 0.5).abs() < 1e-9, "two seconds since it started again: {}", anew.cpu);
        assert_eq!(compare(&resident, before, &vitals(0), start), None);
    }
}
