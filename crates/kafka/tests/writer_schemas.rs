//! The schema registry's client against servers that behave badly: each request ends in time and takes little memory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use freshet_core::ports::{WriterSchemaError, WriterSchemas as _};
use freshet_kafka::{HttpWriterSchemas, WriterSchemasConfig};

const TIMEOUT: Duration = Duration::from_millis(500);

/// No answer takes longer than its deadline, whatever the machine is busy with.
const WITHIN: Duration = Duration::from_secs(5);

/// Serves each request with `answer` of its path, on a thread each.
fn server(answer: fn(&str, &mut TcpStream) -> std::io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.expect("a connection");
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                // A client that has had enough closes.
                let _ = answer(&path, &mut stream);
            });
        }
    });
    address
}

fn whole(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
    loop {
        stream.write_all(b" ")?;
        stream.flush()?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn flood(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    let chunk = vec![b' '; 1 << 20];
    loop {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(&chunk)?;
        stream.write_all(b"\r\n")?;
    }
}

fn misbehaving(path: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    match path.rsplit('/').next().unwrap_or_default() {
        "1" => whole(stream, "200 OK", r#"{"schema":"\"long\""}"#),
        "2" => drip(stream),
        "3" => flood(stream),
        "4" => whole(
            stream,
            "404 Not Found",
            r#"{"error_code":40403,"message":"Schema 4 not found"}"#,
        ),
        "5" => whole(stream, "404 Not Found", "<html>no such page</html>"),
        "6" => whole(stream, "302 Found", ""),
        "7" => whole(stream, "401 Unauthorized", "{}"),
        "8" => whole(stream, "500 Internal Server Error", "{}"),
        "9" => whole(stream, "200 OK", "<html>log in</html>"),
        "10" => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        _ => whole(stream, "200 OK", r#"{"schema":"{}","schemaType":"JSON"}"#),
    }
}

#[test]
fn p14_no_answer_of_a_schema_registry_takes_longer_or_more_than_its_limit() {
    let address = server(misbehaving);
    let schemas = HttpWriterSchemas::new(WriterSchemasConfig {
        url: format!("http://{address}"),
        username: None,
        password: None,
        bearer: None,
        timeout: TIMEOUT,
        answer_bytes_max: 4 << 20,
    })
    .expect("a URL");
    let shown = |id: u32| {
        let began = Instant::now();
        let answer = schemas.fetch(id);
        let took = began.elapsed();
        assert!(took < WITHIN, "schema {id} took {took:?}");
        match answer {
            Ok(schema) => schema,
            Err(WriterSchemaError::Unreachable { reason, .. }) => format!("waits: {reason}"),
            Err(error) => format!("poison: {error}"),
        }
    };
    for (id, wanted) in [
        (1, "\"long\""),
        (2, "waits: no complete response within 500 ms"),
        (
            3,
            "poison: the schema with id 3 cannot be used: it is larger than 4194304 bytes",
        ),
        (4, "poison: the schema registry has no schema with id 4"),
        (
            5,
            "waits: it answered 404 Not Found, which is not a schema registry's response",
        ),
        (6, "waits: it answered 302 Found"),
        (7, "waits: it answered 401 Unauthorized"),
        (8, "waits: it answered 500 Internal Server Error"),
        (9, "waits: its response cannot be parsed"),
        (10, "waits: no complete response within 500 ms"),
        (11, "poison: the schema registry has no schema with id 11"),
    ] {
        assert_eq!(shown(id), wanted, "schema {id}");
    }
}
