//! Sentinel: servers that know which Redis of a service is the primary. Each new connection asks them, so that a worker
//! follows a failover.

use std::io::ErrorKind as Io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{Client, Connection, ConnectionAddr, ConnectionInfo, RedisError, RedisResult, Value};

use super::sentinel_url::SentinelSettings;

/// Time limit of a question to one sentinel.
const MAX_QUERY: Duration = Duration::from_secs(1);

pub(super) struct Sentinels {
    /// A client for each sentinel.
    clients: Vec<Client>,
    service: String,
    /// The sentinel that answered last: it is asked first.
    preferred: AtomicUsize,
}

impl Sentinels {
    /// `like` is the address of Redis, whose TLS settings the sentinels share.
    pub(super) fn new(settings: &SentinelSettings, like: &ConnectionInfo) -> RedisResult<Self> {
        let open = |(host, port): &(String, u16)| {
            let mut login = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
            if let Some(username) = &settings.username {
                login = login.set_username(username);
            }
            if let Some(password) = &settings.password {
                login = login.set_password(password);
            }
            let address = match (settings.is_tls, like.addr()) {
                (true, ConnectionAddr::TcpTls { .. }) => at(like.addr(), host, *port),
                _ => ConnectionAddr::Tcp(host.clone(), *port),
            };
            Client::open(like.clone().set_redis_settings(login).set_addr(address))
        };
        let clients = settings.hosts.iter().map(open).collect::<RedisResult<_>>()?;
        Ok(Sentinels { clients, service: settings.service.clone(), preferred: AtomicUsize::new(0) })
    }

    /// Connects to the primary of the service. `client` has the login and the TLS settings of Redis.
    pub(super) fn connect(&self, client: &Client, timeout: Duration) -> RedisResult<Connection> {
        let (host, port) = self.find_primary(timeout)?;
        let info = client.get_connection_info();
        let info = info.clone().set_addr(at(info.addr(), &host, port));
        let mut connection = Client::open(info)?.get_connection_with_timeout(timeout)?;
        // For a moment after a failover the sentinels may name a server that is not the primary yet, or no more.
        connection.set_read_timeout(Some(timeout))?;
        let role = redis::cmd("ROLE").query::<Vec<Value>>(&mut connection)?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(connection),
            _ => Err(not_connected(format!("{host}:{port}, which Sentinel names, is not the primary"))),
        }
    }

    /// Asks the sentinels in turn for the address of the primary.
    fn find_primary(&self, timeout: Duration) -> RedisResult<(String, u16)> {
        let (count, first) = (self.clients.len(), self.preferred.load(Ordering::Relaxed));
        let mut reasons = Vec::new();
        for number in (0..count).map(|n| (first + n) % count) {
            match self.ask(&self.clients[number], timeout.min(MAX_QUERY)) {
                Ok(Some(address)) => {
                    self.preferred.store(number, Ordering::Relaxed);
                    return Ok(address);
                }
                Ok(None) => reasons.push(format!("it knows no service {:?}", self.service)),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        reasons.dedup();
        Err(not_connected(format!(
            "no sentinel names the primary of {}: {}",
            self.service,
            reasons.join("; ")
        )))
    }

    fn ask(&self, sentinel: &Client, timeout: Duration) -> RedisResult<Option<(String, u16)>> {
        let mut connection = sentinel.get_connection_with_timeout(timeout)?;
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(timeout))?;
        redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(&self.service).query(&mut connection)
    }
}

/// The address of another host, with the same TLS settings.
fn at(like: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

fn not_connected(reason: String) -> RedisError {
    std::io::Error::new(Io::NotConnected, reason).into()
}
