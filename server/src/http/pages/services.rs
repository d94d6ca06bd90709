//! `/services`: what runs where.

use axum::extract::State;
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{ServiceRow, ServicesPage},
};

use super::{Html, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    environments::{Service, directory},
    http::errors::Problem,
    store::events,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/services", Permission::Read, show)
}

async fn show(State(state): State<AppState>, principal: Principal) -> Result<Html<ServicesPage>, Problem> {
    let now = state.store.lease_time().await?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let services = directory(conn, now).await?;
    let frame =
        Frame::new("Services", Section::Services, viewer(&principal)).live(format!("/stream/services?from={since}"));
    Ok(Html::ok(ServicesPage { frame, services: services.into_iter().map(row).collect() }))
}

fn row(service: Service) -> ServiceRow {
    ServiceRow {
        place: format!("{} {}", service.repository, service.environment),
        place_address: links::environment(&service.repository, &service.environment),
        app: service.app,
        replica: service.replica,
        address: service.address,
        condition: service.condition.replace('_', " "),
        good: match service.condition {
            "healthy" => Some(true),
            "sick" | "crash_loop" => Some(false),
            _ => None,
        },
        release: service.release,
        release_address: links::release(&service.repository, &service.environment, service.release),
        domain: service.domain,
    }
}
