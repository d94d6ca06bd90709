//! The program as an image of its own, for containers in which nothing else is.

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt as _;

use super::{Inside, program};
use crate::engine::{Engine, EngineError};

/// Where that image has the program.
pub(crate) const IN_IMAGE: &str = "/slipway-inside";

/// What its images are called, whatever their version.
pub(super) const REPOSITORY: &str = "slipway-inside";

impl Inside {
    /// The name of the image, which the engine has afterwards.
    pub(crate) async fn image(engine: &Engine) -> Result<String, EngineError> {
        let tag = program::name();
        let name = format!("{REPOSITORY}:{tag}");
        match engine
            .inspect_image(&name)
            .await
            .map_err(|error| engine.error(format!("inspect the image {name}"), &error))
        {
            Ok(_) => return Ok(name),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        let doing = || format!("import the image {name}");
        let failed = |message: String| EngineError::Refused { doing: doing(), status: 0, message };
        let files = files().map_err(|error| failed(error.to_string()))?;
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(&tag).build();
        let imported = engine.create_image(Some(options), Some(bollard::body_full(files.into())), None);
        let reports: Result<Vec<_>, _> = imported.try_collect().await;
        reports.map_err(|error| engine.error(doing(), &error))?;
        Ok(name)
    }
}

/// All files of the image: one.
fn files() -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(program::PROGRAM.len() as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, IN_IMAGE.trim_start_matches('/'), program::PROGRAM)?;
    archive.into_inner()
}
