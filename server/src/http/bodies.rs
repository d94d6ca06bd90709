//! Reading a delivery's body: whole, but never more than allowed, never longer than allowed, and never so many at once
//! that the memory runs out.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, BodyDataStream, HttpBody as _};
use futures_util::StreamExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::errors::Problem;

/// Bodies up to this size are read many at once. Nearly every push is smaller.
const SMALL_BYTES: usize = 256 * 1024;
/// How many deliveries are read at once.
const SMALL_AT_ONCE: usize = 256;
/// How many of them may be larger than [`SMALL_BYTES`]; so an attack by large bodies never keeps small ones waiting.
const LARGE_AT_ONCE: usize = 4;
/// GitHub gives up after 10 seconds ("Best practices for using webhooks"); a slow line gets some more.
const READ_TIME: Duration = Duration::from_secs(20);

/// The room that deliveries are read in.
#[derive(Debug, Clone)]
pub struct Bodies {
    max_bytes: usize,
    read_time: Duration,
    all: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A body that was read whole, with its place in the room.
#[derive(Debug)]
pub struct Taken {
    /// The raw bytes.
    pub bytes: Vec<u8>,
    _places: Vec<OwnedSemaphorePermit>,
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
            all: Arc::new(Semaphore::new(SMALL_AT_ONCE)),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }

    /// Reads a body whole.
    ///
    /// # Errors
    /// 413 as soon as it is known to be larger than allowed, 408 when it comes too slowly or breaks off, 503 when too
    /// many others are being read.
    pub async fn take(&self, body: Body) -> Result<Taken, Problem> {
        let deadline = Instant::now() + self.read_time;
        let announced = body.size_hint().lower();
        if announced > self.max_bytes as u64 {
            return Err(self.too_large());
        }
        let mut places = vec![place(&self.all, deadline).await?];
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(SMALL_BYTES));
        while let Some(chunk) = next(&mut stream, deadline).await? {
            if bytes.len() + chunk.len() > self.max_bytes {
                return Err(self.too_large());
            }
            if bytes.len() + chunk.len() > SMALL_BYTES && places.len() == 1 {
                places.push(place(&self.large, deadline).await?);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Taken { bytes, _places: places })
    }

    fn too_large(&self) -> Problem {
        Problem::too_large(format!("The delivery is larger than {} bytes, the most that is taken.", self.max_bytes))
    }
}

async fn place(room: &Arc<Semaphore>, deadline: Instant) -> Result<OwnedSemaphorePermit, Problem> {
    match timeout_at(deadline, Arc::clone(room).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Problem::unavailable("Too many deliveries are coming in at once; send it again.")),
    }
}

async fn next(stream: &mut BodyDataStream, deadline: Instant) -> Result<Option<axum::body::Bytes>, Problem> {
    match timeout_at(deadline, stream.next()).await {
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
        sync::atomic::{AtomicUsize, Ordering},
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
}
