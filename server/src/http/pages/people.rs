//! Refusals for people: whoever asks for a page gets a page, also when it cannot be had.

use axum::{
    extract::Request,
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use slipway_web::{
    frame::{Frame, Section, Viewer},
    pages::MessagePage,
};

use super::Html;
use crate::http::errors::Problem;

/// Turns a [`Problem`] into a page where a browser asked.
pub async fn for_people(request: Request, next: Next) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wants_page = accepts.contains("text/html") && !request.uri().path().starts_with("/api/");
    let is_form = request.method() == Method::POST;
    let response = next.run(request).await;
    match response.extensions().get::<Problem>() {
        Some(problem) if wants_page => page(problem, is_form).into_response(),
        _ => response,
    }
}

fn page(problem: &Problem, is_form: bool) -> Html<MessagePage> {
    let status = problem.status();
    let heading = match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "This is not allowed",
        StatusCode::CONFLICT => "This cannot be done now",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "Not now",
        _ if status.is_server_error() => "Something failed",
        _ => "This was not understood",
    };
    let text = match status {
        _ if is_form && status == StatusCode::CONFLICT => format!("{} Nothing was changed.", problem.detail()),
        _ => problem.detail().to_owned(),
    };
    Html::with_status(
        status,
        MessagePage {
            frame: Frame::new(heading, Section::Door, Viewer::Unseen),
            status: status.as_u16(),
            heading: heading.to_owned(),
            text,
            link: Some(("To the repositories".to_owned(), "/".to_owned())),
        },
    )
}
