//! Reading a delivery's body: whole, but never more than allowed, never longer than allowed, and never so many at once
//! that the memory runs out. Nobody has proved anything yet: where all places are taken, the slowest give way.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use futures_util::{StreamExt as _, future::select_all};
use tokio::time::{Instant, timeout_at};

use super::{
    errors::Problem,
    room::{Place, Room},
};

/// Bodies up to this size are read many at once. Nearly every push is smaller.
const SMALL_BYTES: usize = 256 * 1024;
/// How many deliveries are read at once.
const SMALL_AT_ONCE: usize = 256;
/// How many of them may be larger than [`SMALL_BYTES`]; so an attack by large bodies never keeps small ones waiting.
const LARGE_AT_ONCE: usize = 2;
/// How long a body may take although others wait for its place. GitHub's are here within a fraction of it.
const PATIENCE: Duration = Duration::from_secs(1);
/// GitHub gives up after 10 seconds ("Best practices for using webhooks"); a slow line gets some more.
const READ_TIME: Duration = Duration::from_secs(20);

/// The room that deliveries are read in.
#[derive(Debug, Clone)]
pub struct Bodies {
    max_bytes: usize,
    read_time: Duration,
    all: Room,
    large: Room,
}

/// A body that was read whole, with its place in the room.
#[derive(Debug)]
pub struct Taken {
    /// The raw bytes.
    pub bytes: Vec<u8>,
    _places: Vec<Place>,
}

impl Bodies {
    /// Room for bodies of up to `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self::with_read_time(max_bytes, READ_TIME)
    }

    fn with_read_time(max_bytes: usize, read_time: Duration) -> Self {
        Bodies {
            max_bytes,
            read_time,
            all: Room::new(SMALL_AT_ONCE, PATIENCE.min(read_time)),
            large: Room::new(LARGE_AT_ONCE, PATIENCE.min(read_time)),
        }
    }

    /// Reads a body whole.
    ///
    /// # Errors
    /// 413 as soon as it is known to be larger than allowed, 408 when it comes too slowly (or slowly, while others wait) or
    /// breaks off, 503 when too many others are being read.
    pub async fn take(&self, body: Body) -> Result<Taken, Problem> {
        let deadline = Instant::now() + self.read_time;
        let announced = body.size_hint().lower();
        if announced > self.max_bytes as u64 {
            return Err(self.too_large());
        }
        let mut places = vec![place(&self.all, deadline).await?];
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(SMALL_BYTES));
        while let Some(chunk) = next(&mut stream, &places, deadline).await? {
            if bytes.len() + chunk.len() > self.max_bytes {
                return Err(self.too_large());
            }
            if bytes.len() + chunk.len() > SMALL_BYTES && places.len() == 1 {
                // Who waits for the one place gives way in the other as well.
                let large = {
                    let wanted = wanted(&places);
                    tokio::select! {
                        biased;
                        place = place(&self.large, deadline) => place?,
                        () = wanted => return Err(slow()),
                    }
                };
                places.push(large);
            }
            bytes.extend_from_slice(&chunk);
        }
        places.iter().for_each(Place::keep);
        Ok(Taken { bytes, _places: places })
    }

    fn too_large(&self) -> Problem {
        Problem::too_large(format!("The delivery is larger than {} bytes, the most that is taken.", self.max_bytes))
    }
}

async fn place(room: &Room, deadline: Instant) -> Result<Place, Problem> {
    let refused = |_| Problem::unavailable("Too many deliveries are coming in at once; send it again.");
    timeout_at(deadline, room.enter()).await.map_err(refused)
}

/// Waits until one of the places is wanted by another.
async fn wanted(places: &[Place]) {
    select_all(places.iter().map(|place| Box::pin(place.wanted()))).await;
}

fn slow() -> Problem {
    Problem::timeout("The body came slowly, and others waited; send it again.")
}

async fn next(
    stream: &mut BodyDataStream,
    places: &[Place],
    deadline: Instant,
) -> Result<Option<axum::body::Bytes>, Problem> {
    let chunk = tokio::select! {
        biased;
        chunk = timeout_at(deadline, stream.next()) => chunk,
        () = wanted(places) => return Err(slow()),
    };
    match chunk {
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(_))) => Err(Problem::timeout("The connection broke before the whole body was here.")),
        Err(_) => Err(Problem::timeout("The body came too slowly.")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use axum::{body::Bytes, http::StatusCode};
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_without_end_is_left_where_it_passes_the_limit() {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        let endless = stream::repeat_with(move || {
            counter.fetch_add(1024, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024]))
        });
        let refused = Bodies::new(10 * 1024).take(Body::from_stream(endless)).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(refused.detail(), "The delivery is larger than 10240 bytes, the most that is taken.");
        assert_eq!(read.load(Ordering::Relaxed), 11 * 1024);
    }

    #[tokio::test]
    async fn an_announced_length_is_believed_when_it_is_too_large() {
        let refused = Bodies::new(10).take(Body::from("12345678901")).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(Bodies::new(10).take(Body::from("1234567890")).await.unwrap().bytes, b"1234567890");
    }

    #[tokio::test]
    async fn a_slow_sender_is_not_waited_for() {
        let bodies = Bodies::with_read_time(10, Duration::from_millis(20));
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let refused = bodies.take(silent).await.unwrap_err();
        assert_eq!((refused.status(), refused.detail()), (StatusCode::REQUEST_TIMEOUT, "The body came too slowly."));
    }

    #[tokio::test]
    async fn large_bodies_do_not_keep_small_ones_waiting() {
        let bodies = Bodies::with_read_time(SMALL_BYTES * 2, Duration::from_millis(50));
        let mut held = Vec::new();
        for _ in 0..LARGE_AT_ONCE {
            held.push(bodies.take(Body::from(vec![0; SMALL_BYTES + 1])).await.unwrap());
        }
        let refused = bodies.take(Body::from(vec![0; SMALL_BYTES + 1])).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(bodies.take(Body::from("small")).await.is_ok());
    }

    /// Lets a crowd come in: a turn of the runtime is for some of its tasks only.
    async fn all_are_in() {
        for _ in 0..SMALL_AT_ONCE {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_crowd_of_slow_senders_keeps_nobody_out() {
        let bodies = Bodies::new(SMALL_BYTES);
        let crowd: Vec<_> = (0..SMALL_AT_ONCE)
            .map(|_| {
                let bodies = bodies.clone();
                let drip = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]).chain(stream::pending());
                tokio::spawn(async move { bodies.take(Body::from_stream(drip)).await.unwrap_err().detail().to_owned() })
            })
            .collect();
        all_are_in().await;
        for _ in 0..SMALL_AT_ONCE {
            bodies.take(Body::from("honest")).await.unwrap();
        }
        let (one, _, _) = select_all(crowd).await;
        assert_eq!(one.unwrap(), "The body came slowly, and others waited; send it again.");
    }

    #[tokio::test]
    async fn who_waits_for_a_large_place_gives_way_in_the_small_one() {
        let bodies = Bodies::new(SMALL_BYTES * 2);
        let crowd: Vec<_> = (0..SMALL_AT_ONCE)
            .map(|_| {
                let bodies = bodies.clone();
                let large = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b'x'; SMALL_BYTES + 1]))]);
                let stalling = large.chain(stream::pending());
                tokio::spawn(async move { bodies.take(Body::from_stream(stalling)).await.map(|_| ()) })
            })
            .collect();
        all_are_in().await;
        for _ in 0..SMALL_AT_ONCE / 4 {
            bodies.take(Body::from("honest")).await.unwrap();
        }
        crowd.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
