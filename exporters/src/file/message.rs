//! A batch as it stands in the file.

use otelcol_pdata::{Batch, json};
use otelcol_pipeline::ConsumeError;

use super::config::{Compression, Config, Format};

/// A JSON line, or a length in four bytes and so many bytes: protobuf, or anything compressed.
pub(super) fn encode(batch: &Batch, config: &Config) -> Result<Vec<u8>, ConsumeError> {
    let message = match config.format {
        Format::Json => json::to_json(batch)?,
        Format::Proto => batch.to_wire().to_vec(),
    };
    match (config.compression, config.format) {
        (Compression::None, Format::Json) => {
            let mut line = message;
            line.push(b'\n');
            Ok(line)
        }
        (Compression::None, Format::Proto) => with_length(&message),
        (Compression::Zstd, _) => {
            let level = config.compression_params.level;
            let packed = zstd::bulk::compress(&message, level);
            with_length(
                &packed.map_err(|error| ConsumeError::permanent(format!("can not compress: {error}")))?,
            )
        }
    }
}

fn with_length(message: &[u8]) -> Result<Vec<u8>, ConsumeError> {
    let length = u32::try_from(message.len()).map_err(|_| {
        ConsumeError::permanent(format!("a message of {} bytes exceeds 4 GiB", message.len()))
    })?;
    let mut framed = Vec::with_capacity(4 + message.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    Ok(framed)
}
