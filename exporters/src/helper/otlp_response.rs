//! What an OTLP server answers to a request that it took.

use super::Sent;
use prost::Message;

/// `ExportTraceServiceResponse` and its two likes, which differ only in the name of the count.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// The protobuf form. None when it is none.
pub(crate) fn read_response(body: &[u8]) -> Option<Sent> {
    let partial = Response::decode(body).ok()?.partial_success.unwrap_or_default();
    Some(sent(partial.rejected, partial.error_message))
}

/// The JSON form, whose count may be a number or a string. None when it is none.
#[cfg(feature = "otlphttp")]
pub(crate) fn read_json_response(body: &[u8]) -> Option<Sent> {
    #[derive(serde::Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Json {
        partial_success: Option<Partial>,
    }
    #[derive(serde::Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Partial {
        rejected_spans: Number,
        rejected_data_points: Number,
        rejected_log_records: Number,
        error_message: String,
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(i64),
        Text(String),
    }
    impl Default for Number {
        fn default() -> Self {
            Self::Plain(0)
        }
    }
    impl Number {
        fn get(&self) -> i64 {
            match self {
                Self::Plain(number) => *number,
                Self::Text(text) => text.parse().unwrap_or(0),
            }
        }
    }
    let partial = serde_json::from_slice::<Json>(body).ok()?.partial_success.unwrap_or_default();
    let counts = [&partial.rejected_spans, &partial.rejected_data_points, &partial.rejected_log_records];
    Some(sent(counts.iter().map(|count| count.get()).max().unwrap_or(0), partial.error_message))
}

fn sent(rejected: i64, message: String) -> Sent {
    Sent { rejected: usize::try_from(rejected).unwrap_or(0), message }
}
