//! `wharf cat`.

use std::process::ExitCode;

use wharf_client::Destination;

use super::{client, get};
use crate::args::paths::CatArguments;
use crate::settings::parse_urls;

pub(crate) fn run(arguments: CatArguments) -> ExitCode {
    client::run(&arguments.connection, false, async |client| {
        for url in parse_urls(&arguments.urls)? {
            if let Err(error) = get::fetch(client, &url, &Destination::Stdout, false).await {
                client.failed(Some(&url), &error);
            }
            if client.is_over() {
                break;
            }
        }
        Ok(())
    })
}
