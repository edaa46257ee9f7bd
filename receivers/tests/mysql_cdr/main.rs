//! The `mysql_cdr` receiver against servers of MariaDB and MySQL that `tests/real/mysql/server.py` starts. Under CI a
//! server that cannot be had is a failure; elsewhere it is a skip that is printed.

#![cfg(feature = "mysql_cdr")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it lacks and ends where it fails"
)]

mod accounts;
mod alter;
mod cel;
mod collector;
mod database;
mod faults;
mod replay;
mod restarts;
mod shapes;
mod transactions;
