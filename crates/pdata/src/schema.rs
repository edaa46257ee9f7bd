//! The OTLP messages as tables: what the validator checks, the splitter cuts at, and JSON is written and read by.
//!
//! Source: opentelemetry-proto 1.x, `opentelemetry/proto/{common,resource,trace,metrics,logs}/v1/*.proto`. Fields stand
//! in the order of declaration there, which is the order in which otelcol writes them as JSON.

use crate::model::{common, logs, metrics, resource, trace};
use crate::{Signal, wire};

/// A message type.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: &'static str,
    pub(crate) items: Items,
    /// What one decoded message takes in memory, without what it points to, in bytes.
    pub(crate) size: usize,
    pub(crate) fields: &'static [Field],
    by_number: [Option<&'static Field>; NUMBERS],
    /// By the tag, of one byte, of a field: whether its bytes can be passed over.
    plain: [Plain; 128],
    /// The tag, of one byte, of its list `attributes`; 0 if it has none.
    pub(crate) attributes_tag: u8,
}

/// What a message has to do with items: spans, data points, log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    /// A part of an item, or of what describes items.
    None,
    /// It is one.
    One,
    /// It has items below it, and can be cut between them.
    Holds,
}

/// Fields that nothing is to be checked of but their length.
#[derive(Clone, Copy, Debug)]
enum Plain {
    /// All others.
    No,
    /// A varint.
    Varint,
    /// A number of so many bytes.
    Fixed(u8),
    /// An id of so many bytes.
    Id(u8),
}

/// One more than the highest field number that OTLP uses below 1000.
const NUMBERS: usize = 17;

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// Its name in JSON, lowerCamelCase.
    pub(crate) json: &'static str,
    pub(crate) kind: Kind,
    /// The wire type of one value.
    pub(crate) wire_type: u8,
    pub(crate) presence: Presence,
}

impl Field {
    const fn new(number: u32, json: &'static str, kind: Kind, presence: Presence) -> Field {
        Field { number, json, kind, wire_type: kind.wire_type(), presence }
    }
}

/// The type of a field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Sint32,
    Uint64,
    /// With the names of its values, which JSON may use instead of the numbers.
    Enum(&'static [(&'static str, i32)]),
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    String,
    Bytes,
    /// 16 bytes or none; hex in JSON.
    TraceId,
    /// 8 bytes or none; hex in JSON.
    SpanId,
    Message(&'static Message),
}

/// When a field is written, and how often it may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Left out of JSON where it has its default value.
    Plain,
    /// Always in JSON: the messages that otelcol holds by value.
    Always,
    /// `optional`: in JSON where it is set, also with its default value.
    Set,
    /// A member of a oneof: as [`Presence::Set`], and the last member in the bytes wins.
    OneOf,
    /// A member of a oneof of which only one field may occur, so that items can be counted and cut by fields alone.
    Exclusive,
    /// A list; lists of numbers come packed or not.
    Repeated,
}

impl Kind {
    /// The wire type of one value.
    pub(crate) const fn wire_type(self) -> u8 {
        match self {
            Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Sint32 | Kind::Uint64 => {
                wire::VARINT
            }
            Kind::Enum(_) => wire::VARINT,
            Kind::Fixed32 => wire::FIXED32,
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => wire::FIXED64,
            Kind::String | Kind::Bytes | Kind::TraceId | Kind::SpanId | Kind::Message(_) => wire::LEN,
        }
    }
}

impl Message {
    #[inline(always)]
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        self.by_number.get(number as usize).copied().flatten()
    }

    /// What follows the field at the start of `bytes`, if nothing is to be checked of it: a known field with a tag of one
    /// byte, which is a number, of one byte if it is a varint, or an id that is not empty.
    #[inline(always)]
    pub(crate) fn after_plain<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, rest) = bytes.split_first()?;
        match self.plain.get(usize::from(*tag))? {
            Plain::Fixed(size) => rest.get(usize::from(*size)..),
            Plain::Id(size) if rest.first()? == size => rest.get(1 + usize::from(*size)..),
            Plain::Varint if *rest.first()? < 0x80 => rest.get(1..),
            _ => None,
        }
    }

    /// The type of field `number` if it leads to items.
    pub(crate) fn child(&self, number: u32) -> Option<&'static Message> {
        match self.field(number)?.kind {
            Kind::Message(inner) if inner.items != Items::None => Some(inner),
            _ => None,
        }
    }

    const fn new(name: &'static str, items: Items, size: usize, fields: &'static [Field]) -> Message {
        let mut by_number = [None; NUMBERS];
        let mut plain = [Plain::No; 128];
        let mut attributes_tag = 0;
        let mut at = 0;
        while at < fields.len() {
            let field = &fields[at];
            by_number[field.number as usize] = Some(field);
            if field.number < 16 {
                plain[(field.number << 3) as usize | field.wire_type as usize] = match field.kind {
                    Kind::TraceId => Plain::Id(16),
                    Kind::SpanId => Plain::Id(8),
                    _ => match field.wire_type {
                        wire::VARINT => Plain::Varint,
                        wire::FIXED32 => Plain::Fixed(4),
                        wire::FIXED64 => Plain::Fixed(8),
                        _ => Plain::No,
                    },
                };
            }
            if let b"attributes" = field.json.as_bytes() {
                attributes_tag = (field.number << 3) as u8 | wire::LEN;
            }
            at += 1;
        }
        Message { name, items, size, fields, by_number, plain, attributes_tag }
    }
}

/// The Resource block of a signal: `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`.
pub(crate) fn block(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &RESOURCE_SPANS,
        Signal::Metrics => &RESOURCE_METRICS,
        Signal::Logs => &RESOURCE_LOGS,
    }
}

/// The body of an export request of a signal.
pub(crate) fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES_REQUEST,
        Signal::Metrics => &METRICS_REQUEST,
        Signal::Logs => &LOGS_REQUEST,
    }
}

macro_rules! messages {
    ($( $static:ident = $name:literal $model:path $(, $items:ident)? { $( $number:literal $json:literal $kind:expr, $presence:ident; )* } )*) => {
        $(
            pub(crate) static $static: Message = {
                static FIELDS: &[Field] = {
                    use Kind::*;
                    &[$( Field::new($number, $json, $kind, Presence::$presence) ),*]
                };
                Message::new($name, messages!(@ $($items)?), size_of::<$model>(), FIELDS)
            };
        )*
    };
    (@ item) => { Items::One };
    (@ holds) => { Items::Holds };
    (@) => { Items::None };
}

messages! {
    TRACES_REQUEST = "ExportTraceServiceRequest" trace::TracesData, holds { 1 "resourceSpans" Message(&RESOURCE_SPANS), Repeated; }
    METRICS_REQUEST = "ExportMetricsServiceRequest" metrics::MetricsData, holds { 1 "resourceMetrics" Message(&RESOURCE_METRICS), Repeated; }
    LOGS_REQUEST = "ExportLogsServiceRequest" logs::LogsData, holds { 1 "resourceLogs" Message(&RESOURCE_LOGS), Repeated; }

    RESOURCE_SPANS = "ResourceSpans" trace::ResourceSpans, holds {
        1 "resource" Message(&RESOURCE), Always;
        2 "scopeSpans" Message(&SCOPE_SPANS), Repeated;
        3 "schemaUrl" String, Plain;
    }
    RESOURCE_METRICS = "ResourceMetrics" metrics::ResourceMetrics, holds {
        1 "resource" Message(&RESOURCE), Always;
        2 "scopeMetrics" Message(&SCOPE_METRICS), Repeated;
        3 "schemaUrl" String, Plain;
    }
    RESOURCE_LOGS = "ResourceLogs" logs::ResourceLogs, holds {
        1 "resource" Message(&RESOURCE), Always;
        2 "scopeLogs" Message(&SCOPE_LOGS), Repeated;
        3 "schemaUrl" String, Plain;
    }
    RESOURCE = "Resource" resource::Resource {
        1 "attributes" Message(&KEY_VALUE), Repeated;
        2 "droppedAttributesCount" Uint32, Plain;
        3 "entityRefs" Message(&ENTITY_REF), Repeated;
    }
    ENTITY_REF = "EntityRef" common::EntityRef {
        1 "schemaUrl" String, Plain;
        2 "type" String, Plain;
        3 "idKeys" String, Repeated;
        4 "descriptionKeys" String, Repeated;
    }
    SCOPE = "InstrumentationScope" common::InstrumentationScope {
        1 "name" String, Plain;
        2 "version" String, Plain;
        3 "attributes" Message(&KEY_VALUE), Repeated;
        4 "droppedAttributesCount" Uint32, Plain;
    }
    KEY_VALUE = "KeyValue" common::KeyValue {
        1 "key" String, Plain;
        2 "value" Message(&ANY_VALUE), Always;
        3 "keyStrindex" Int32, Plain;
    }
    ANY_VALUE = "AnyValue" common::AnyValue {
        1 "stringValue" String, OneOf;
        2 "boolValue" Bool, OneOf;
        3 "intValue" Int64, OneOf;
        4 "doubleValue" Double, OneOf;
        5 "arrayValue" Message(&ARRAY_VALUE), OneOf;
        6 "kvlistValue" Message(&KEY_VALUE_LIST), OneOf;
        7 "bytesValue" Bytes, OneOf;
        8 "stringValueStrindex" Int32, OneOf;
    }
    ARRAY_VALUE = "ArrayValue" common::ArrayValue { 1 "values" Message(&ANY_VALUE), Repeated; }
    KEY_VALUE_LIST = "KeyValueList" common::KeyValueList { 1 "values" Message(&KEY_VALUE), Repeated; }

    SCOPE_SPANS = "ScopeSpans" trace::ScopeSpans, holds {
        1 "scope" Message(&SCOPE), Always;
        2 "spans" Message(&SPAN), Repeated;
        3 "schemaUrl" String, Plain;
    }
    SPAN = "Span" trace::Span, item {
        1 "traceId" TraceId, Plain;
        2 "spanId" SpanId, Plain;
        3 "traceState" String, Plain;
        4 "parentSpanId" SpanId, Plain;
        16 "flags" Fixed32, Plain;
        5 "name" String, Plain;
        6 "kind" Enum(SPAN_KINDS), Plain;
        7 "startTimeUnixNano" Fixed64, Plain;
        8 "endTimeUnixNano" Fixed64, Plain;
        9 "attributes" Message(&KEY_VALUE), Repeated;
        10 "droppedAttributesCount" Uint32, Plain;
        11 "events" Message(&SPAN_EVENT), Repeated;
        12 "droppedEventsCount" Uint32, Plain;
        13 "links" Message(&SPAN_LINK), Repeated;
        14 "droppedLinksCount" Uint32, Plain;
        15 "status" Message(&STATUS), Always;
    }
    SPAN_EVENT = "Span.Event" trace::span::Event {
        1 "timeUnixNano" Fixed64, Plain;
        2 "name" String, Plain;
        3 "attributes" Message(&KEY_VALUE), Repeated;
        4 "droppedAttributesCount" Uint32, Plain;
    }
    SPAN_LINK = "Span.Link" trace::span::Link {
        1 "traceId" TraceId, Plain;
        2 "spanId" SpanId, Plain;
        3 "traceState" String, Plain;
        4 "attributes" Message(&KEY_VALUE), Repeated;
        5 "droppedAttributesCount" Uint32, Plain;
        6 "flags" Fixed32, Plain;
    }
    STATUS = "Status" trace::Status {
        2 "message" String, Plain;
        3 "code" Enum(STATUS_CODES), Plain;
    }

    SCOPE_METRICS = "ScopeMetrics" metrics::ScopeMetrics, holds {
        1 "scope" Message(&SCOPE), Always;
        2 "metrics" Message(&METRIC), Repeated;
        3 "schemaUrl" String, Plain;
    }
    METRIC = "Metric" metrics::Metric, holds {
        1 "name" String, Plain;
        2 "description" String, Plain;
        3 "unit" String, Plain;
        5 "gauge" Message(&GAUGE), Exclusive;
        7 "sum" Message(&SUM), Exclusive;
        9 "histogram" Message(&HISTOGRAM), Exclusive;
        10 "exponentialHistogram" Message(&EXPONENTIAL_HISTOGRAM), Exclusive;
        11 "summary" Message(&SUMMARY), Exclusive;
        12 "metadata" Message(&KEY_VALUE), Repeated;
    }
    GAUGE = "Gauge" metrics::Gauge, holds { 1 "dataPoints" Message(&NUMBER_POINT), Repeated; }
    SUM = "Sum" metrics::Sum, holds {
        1 "dataPoints" Message(&NUMBER_POINT), Repeated;
        2 "aggregationTemporality" Enum(TEMPORALITIES), Plain;
        3 "isMonotonic" Bool, Plain;
    }
    HISTOGRAM = "Histogram" metrics::Histogram, holds {
        1 "dataPoints" Message(&HISTOGRAM_POINT), Repeated;
        2 "aggregationTemporality" Enum(TEMPORALITIES), Plain;
    }
    EXPONENTIAL_HISTOGRAM = "ExponentialHistogram" metrics::ExponentialHistogram, holds {
        1 "dataPoints" Message(&EXPONENTIAL_POINT), Repeated;
        2 "aggregationTemporality" Enum(TEMPORALITIES), Plain;
    }
    SUMMARY = "Summary" metrics::Summary, holds { 1 "dataPoints" Message(&SUMMARY_POINT), Repeated; }
    NUMBER_POINT = "NumberDataPoint" metrics::NumberDataPoint, item {
        7 "attributes" Message(&KEY_VALUE), Repeated;
        2 "startTimeUnixNano" Fixed64, Plain;
        3 "timeUnixNano" Fixed64, Plain;
        4 "asDouble" Double, OneOf;
        6 "asInt" Sfixed64, OneOf;
        5 "exemplars" Message(&EXEMPLAR), Repeated;
        8 "flags" Uint32, Plain;
    }
    HISTOGRAM_POINT = "HistogramDataPoint" metrics::HistogramDataPoint, item {
        9 "attributes" Message(&KEY_VALUE), Repeated;
        2 "startTimeUnixNano" Fixed64, Plain;
        3 "timeUnixNano" Fixed64, Plain;
        4 "count" Fixed64, Plain;
        5 "sum" Double, Set;
        6 "bucketCounts" Fixed64, Repeated;
        7 "explicitBounds" Double, Repeated;
        8 "exemplars" Message(&EXEMPLAR), Repeated;
        10 "flags" Uint32, Plain;
        11 "min" Double, Set;
        12 "max" Double, Set;
    }
    EXPONENTIAL_POINT = "ExponentialHistogramDataPoint" metrics::ExponentialHistogramDataPoint, item {
        1 "attributes" Message(&KEY_VALUE), Repeated;
        2 "startTimeUnixNano" Fixed64, Plain;
        3 "timeUnixNano" Fixed64, Plain;
        4 "count" Fixed64, Plain;
        5 "sum" Double, Set;
        6 "scale" Sint32, Plain;
        7 "zeroCount" Fixed64, Plain;
        8 "positive" Message(&BUCKETS), Always;
        9 "negative" Message(&BUCKETS), Always;
        10 "flags" Uint32, Plain;
        11 "exemplars" Message(&EXEMPLAR), Repeated;
        12 "min" Double, Set;
        13 "max" Double, Set;
        14 "zeroThreshold" Double, Plain;
    }
    BUCKETS = "ExponentialHistogramDataPoint.Buckets" metrics::exponential_histogram_data_point::Buckets {
        1 "offset" Sint32, Plain;
        2 "bucketCounts" Uint64, Repeated;
    }
    SUMMARY_POINT = "SummaryDataPoint" metrics::SummaryDataPoint, item {
        7 "attributes" Message(&KEY_VALUE), Repeated;
        2 "startTimeUnixNano" Fixed64, Plain;
        3 "timeUnixNano" Fixed64, Plain;
        4 "count" Fixed64, Plain;
        5 "sum" Double, Plain;
        6 "quantileValues" Message(&QUANTILE), Repeated;
        8 "flags" Uint32, Plain;
    }
    QUANTILE = "SummaryDataPoint.ValueAtQuantile" metrics::summary_data_point::ValueAtQuantile {
        1 "quantile" Double, Plain;
        2 "value" Double, Plain;
    }
    EXEMPLAR = "Exemplar" metrics::Exemplar {
        7 "filteredAttributes" Message(&KEY_VALUE), Repeated;
        2 "timeUnixNano" Fixed64, Plain;
        3 "asDouble" Double, OneOf;
        6 "asInt" Sfixed64, OneOf;
        5 "traceId" TraceId, Plain;
        4 "spanId" SpanId, Plain;
    }

    SCOPE_LOGS = "ScopeLogs" logs::ScopeLogs, holds {
        1 "scope" Message(&SCOPE), Always;
        2 "logRecords" Message(&LOG_RECORD), Repeated;
        3 "schemaUrl" String, Plain;
    }
    LOG_RECORD = "LogRecord" logs::LogRecord, item {
        1 "timeUnixNano" Fixed64, Plain;
        11 "observedTimeUnixNano" Fixed64, Plain;
        2 "severityNumber" Enum(SEVERITIES), Plain;
        3 "severityText" String, Plain;
        5 "body" Message(&ANY_VALUE), Always;
        6 "attributes" Message(&KEY_VALUE), Repeated;
        7 "droppedAttributesCount" Uint32, Plain;
        8 "flags" Fixed32, Plain;
        9 "traceId" TraceId, Plain;
        10 "spanId" SpanId, Plain;
        12 "eventName" String, Plain;
    }
}

const SPAN_KINDS: &[(&str, i32)] = &[
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];

const STATUS_CODES: &[(&str, i32)] =
    &[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];

const TEMPORALITIES: &[(&str, i32)] = &[
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

const SEVERITIES: &[(&str, i32)] = &[
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
];
