//! Style, script and pictures, under addresses that change with their content.

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    access::{Permission, Routes},
    http::errors::Problem,
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/assets/{hash}/{name}", Permission::Public, show)
}

async fn show(Path((hash, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let asset = slipway_web::assets::find(&hash, &name)
        .ok_or_else(|| Problem::not_found("This file is not part of this version of Slipway."))?;
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, asset.body).into_response())
}
