//! Settings of a server or client among a component's own keys.

/// Writes a settings struct out of the keys of a component and those it shares with others.
///
/// otelcol squashes the settings of its servers and clients into those of a component: `endpoint`, `tls` and the
/// like stand beside the component's own keys. `#[serde(flatten)]` is no way to say so here, because a flattened
/// struct hides its field list, by which unknown keys are found. So the fields have to be in the struct itself, and
/// this writes them there. Each list stands in one place, where [`config`](crate::config) makes its own struct of
/// it: [`http_server_config!`](crate::http_server_config), [`http_client_config!`](crate::http_client_config) and
/// [`grpc_client_config!`](crate::grpc_client_config), which all are used alike:
///
/// ```
/// use otelcol_net::config::HttpServerConfig;
///
/// otelcol_net::http_server_config! {
///     /// Settings of a page.
///     pub struct Config {
///         /// Where the page is.
///         pub path: String = "/".to_owned(),
///     }
///     defaults {
///         endpoint: "localhost:8080".to_owned(),
///     }
/// }
///
/// let config = Config { path: "/status".to_owned(), ..Config::default() };
/// let server = HttpServerConfig::from(&config);
/// assert_eq!((server.endpoint.as_str(), server.transport.as_str()), ("localhost:8080", "tcp"));
/// ```
///
/// Own keys stand with their defaults; `defaults` is for shared keys whose default differs from the list's, and may
/// be left out. The crate that uses it depends on `serde` and `otelcol-confmap`.
#[doc(hidden)]
#[macro_export]
macro_rules! flat_config {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$own_meta:meta])* pub $own:ident: $own_type:ty = $own_default:expr, )*
        }
        $(defaults { $( $key:ident: $key_default:expr, )* })?
        shared $part:path {
            $( $(#[$shared_meta:meta])* pub $shared:ident: $shared_type:ty = $shared_default:expr, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $( $(#[$shared_meta])* pub $shared: $shared_type, )*
            $( $(#[$own_meta])* pub $own: $own_type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $( $key: $key_default, )* )?
                    ..Self {
                        $( $shared: $shared_default, )*
                        $( $own: $own_default, )*
                    }
                }
            }
        }

        impl From<&$name> for $part {
            fn from(config: &$name) -> Self {
                Self { $( $shared: config.$shared.clone(), )* }
            }
        }
    };
}
