//! The credential chain of the AWS SDK, link by link, through the built binary: stand-in endpoints on loopback give
//! keys, and the key id in the signature tells which link was used.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::tls::Secure;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SECRET: &str = "SECRETOFTHECHAIN";
const TOKEN: &str = "TOKENOFTHECHAIN";

/// What came in: method, path, headers and body in one text.
type Heard = Arc<Mutex<Vec<String>>>;

/// An endpoint that answers by what it is asked; none means 404.
struct Endpoint {
    url: String,
    heard: Heard,
}

impl Endpoint {
    fn new(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Heard::default();
        let (log, answer) = (heard.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (log.clone(), answer.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &log, answer.as_ref()));
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, log: &Heard, answer: &dyn Fn(&str) -> Option<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut text, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            let last = line == "\r\n";
            text.push_str(&line);
            if last {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        text.push_str(&String::from_utf8_lossy(&body));
        log.lock().unwrap().push(text.clone());
        let (status, body) = match answer(&text) {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", String::new()),
        };
        let kind = if body.starts_with('<') { "text/xml" } else { "application/json" };
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n", body.len());
        let extra = "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n";
        if stream.write_all(format!("{head}{extra}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

/// A home directory with `.aws` in it, removed at the end.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("es-sign-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join(".aws/sso/cache")).unwrap();
        Self(dir)
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.0.join(file);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tool(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_es-sign-request"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["--region", "us-east-1"])
        .stdin(Stdio::null());
    command
}

/// Signs one request; the key id that signed, the token that is sent, and the words of --explain about the origin.
fn signs_with(command: &mut Command) -> (String, Option<String>) {
    let output = command.arg("https://h/").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "the secret key was printed");
    assert_eq!((output.status.code(), err.as_ref()), (Some(0), ""));
    let record: Value = serde_json::from_str(&out).unwrap();
    let headers = &record["headers"];
    let key = headers["authorization"].as_str().unwrap().split("Credential=").nth(1).unwrap();
    let token = headers["x-amz-security-token"].as_str().map(str::to_string);
    (key.split('/').next().unwrap().to_string(), token)
}

fn keys(key: &str) -> Value {
    json!({"AccessKeyId": key, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2099-01-01T00:00:00Z",
           "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2018-01-18T00:00:00Z"})
}

fn sts(action: &str, key: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/r/b</Arn></AssumedRoleUser></{action}Result></{action}Response>"
    )
}

#[test]
fn keys_of_the_environment_come_first() {
    let home = Home::new("environment");
    home.write(".aws/credentials", "[default]\naws_access_key_id = FROMFILE\naws_secret_access_key = x\n");
    let mut command = tool(&home.0);
    command.env("AWS_ACCESS_KEY_ID", "FROMENV").env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", TOKEN);
    assert_eq!(signs_with(&mut command), ("FROMENV".into(), Some(TOKEN.into())));
}

#[test]
fn a_profile_named_by_flag_comes_before_the_environment() {
    let home = Home::new("profile");
    let text = format!("[other]\naws_access_key_id = FROMFILE\naws_secret_access_key = {SECRET}\n");
    home.write(".aws/credentials", &text);
    let mut command = tool(&home.0);
    command.env("AWS_ACCESS_KEY_ID", "FROMENV").env("AWS_SECRET_ACCESS_KEY", SECRET);
    assert_eq!(signs_with(command.args(["--profile", "other"])), ("FROMFILE".into(), None));
}

#[test]
fn shared_files_give_keys_and_region() {
    let home = Home::new("files");
    let text = format!("[work]\naws_access_key_id = FROMFILE\naws_secret_access_key = {SECRET}\n");
    let credentials = home.write("credentials", &text);
    let config = home.write("config", "[profile work]\nregion = eu-west-3\n");
    let output = Command::new(env!("CARGO_BIN_EXE_es-sign-request"))
        .env_clear()
        .env("AWS_SHARED_CREDENTIALS_FILE", credentials)
        .env("AWS_CONFIG_FILE", config)
        .env("AWS_PROFILE", "work")
        .args(["--explain", "https://h/"])
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(!out.contains(SECRET), "the secret key was printed");
    assert!(out.contains("/eu-west-3/es/aws4_request") && out.contains("from the shared files"), "{out}");
}

#[test]
fn credential_process_of_a_profile_is_run() {
    let home = Home::new("process");
    let answer = json!({"Version": 1, "AccessKeyId": "FROMPROCESS", "SecretAccessKey": SECRET, "SessionToken": TOKEN});
    let file = home.write("keys.json", &answer.to_string());
    home.write(".aws/config", &format!("[default]\ncredential_process = cat {}\n", file.display()));
    assert_eq!(signs_with(&mut tool(&home.0)), ("FROMPROCESS".into(), Some(TOKEN.into())));
}

/// A single sign-on service that gives the role of the configuration this key, and the token that a login left in a file.
fn single_sign_on(home: &Home, key: &'static str, file: &str, token: &str) -> Endpoint {
    let cached = json!({"accessToken": token, "expiresAt": "2099-01-01T00:00:00Z", "region": "us-east-1",
                        "startUrl": "https://example.awsapps.com/start"});
    home.write(&format!(".aws/sso/cache/{file}.json"), &cached.to_string());
    Endpoint::new(move |asked| {
        let mine = asked.contains("account_id=123456789012") && asked.contains("role_name=migrate");
        (asked.starts_with("GET /federation/credentials?") && mine).then(|| {
            json!({"roleCredentials": {"accessKeyId": key, "secretAccessKey": SECRET, "sessionToken": TOKEN,
                                       "expiration": 4_070_908_800_000_u64}})
            .to_string()
        })
    })
}

#[test]
fn single_sign_on_uses_the_cached_token() {
    let home = Home::new("sso");
    // The file is named by the SHA-1 of the start URL.
    let endpoint = single_sign_on(&home, "FROMSSO", "e8be5486177c5b5392bd9aa76563515b29358e6e", "SSOTOKEN");
    home.write(
        ".aws/config",
        "[default]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n\
         sso_account_id = 123456789012\nsso_role_name = migrate\n",
    );
    let mut command = tool(&home.0);
    command.env("AWS_ENDPOINT_URL_SSO", &endpoint.url);
    assert_eq!(signs_with(&mut command), ("FROMSSO".into(), Some(TOKEN.into())));
    assert!(endpoint.heard()[0].contains("SSOTOKEN"));
}

#[test]
fn single_sign_on_by_a_session_uses_the_token_of_that_session() {
    let home = Home::new("sso-session");
    // Here the file is named by the SHA-1 of the session's name.
    let endpoint = single_sign_on(&home, "FROMSESSION", "c5590b164e570f6964f9993d2be2220b7dcdb01a", "SESSIONTOKEN");
    home.write(
        ".aws/config",
        "[profile work]\nsso_session = migration\nsso_account_id = 123456789012\nsso_role_name = migrate\n\
         [sso-session migration]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n",
    );
    let mut command = tool(&home.0);
    command.env("AWS_ENDPOINT_URL_SSO", &endpoint.url).env("AWS_PROFILE", "work");
    assert_eq!(signs_with(&mut command), ("FROMSESSION".into(), Some(TOKEN.into())));
    assert!(endpoint.heard()[0].contains("SESSIONTOKEN"));
}

#[test]
fn a_chain_of_assumed_roles_is_walked() {
    let home = Home::new("roles");
    let endpoint = Endpoint::new(|asked| {
        let key = if asked.contains("role%2Ffirst") { "FIRSTROLE" } else { "SECONDROLE" };
        asked.contains("Action=AssumeRole&").then(|| sts("AssumeRole", key))
    });
    let config = format!(
        "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = {SECRET}\n\
         [profile first]\nrole_arn = arn:aws:iam::123456789012:role/first\nsource_profile = base\n\
         [profile second]\nrole_arn = arn:aws:iam::123456789012:role/second\nsource_profile = first\n"
    );
    home.write(".aws/config", &config);
    let mut command = tool(&home.0);
    command.env("AWS_ENDPOINT_URL_STS", &endpoint.url).env("AWS_PROFILE", "second");
    assert_eq!(signs_with(&mut command), ("SECONDROLE".into(), Some(TOKEN.into())));
    let heard = endpoint.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].contains("Credential=BASE/") && heard[1].contains("Credential=FIRSTROLE/"), "{heard:?}");
}

#[test]
fn a_role_named_by_flag_is_assumed_with_the_keys_found() {
    let home = Home::new("role");
    let endpoint = Endpoint::new(|asked| asked.contains("role%2Fmigrate").then(|| sts("AssumeRole", "ASSUMED")));
    let mut command = tool(&home.0);
    command
        .env("AWS_ENDPOINT_URL_STS", &endpoint.url)
        .env("AWS_ACCESS_KEY_ID", "FROMENV")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .args(["--role-arn", "arn:aws:iam::123456789012:role/migrate"]);
    assert_eq!(signs_with(&mut command), ("ASSUMED".into(), Some(TOKEN.into())));
    assert!(endpoint.heard()[0].contains("Credential=FROMENV/"));
}

#[test]
fn a_web_identity_token_is_exchanged() {
    let home = Home::new("web");
    let endpoint = Endpoint::new(|asked| {
        asked.contains("WebIdentityToken=JWTSECRET").then(|| sts("AssumeRoleWithWebIdentity", "FROMWEB"))
    });
    let token = home.write("token", "JWTSECRET");
    let mut command = tool(&home.0);
    command
        .env("AWS_ENDPOINT_URL_STS", &endpoint.url)
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token);
    assert_eq!(signs_with(&mut command), ("FROMWEB".into(), Some(TOKEN.into())));
}

#[test]
fn the_authority_of_aws_ca_bundle_is_trusted_and_no_other() {
    let home = Home::new("bundle");
    let secure = Secure::start(|_| sts("AssumeRoleWithWebIdentity", "OVERTLS"));
    let token = home.write("token", "JWTSECRET");
    let by = |bundle: Option<&Path>| {
        let mut command = tool(&home.0);
        command
            .env("AWS_ENDPOINT_URL_STS", &secure.url)
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
            .env("AWS_MAX_ATTEMPTS", "1")
            .envs(bundle.map(|bundle| ("AWS_CA_BUNDLE", bundle)));
        command
    };
    assert_eq!(signs_with(&mut by(Some(&secure.authority))), ("OVERTLS".into(), Some(TOKEN.into())));
    assert_eq!(secure.heard().len(), 1);
    let refused = |bundle: Option<&Path>| {
        let output = by(bundle).arg("https://h/").output().unwrap();
        assert!(output.stdout.is_empty());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = refused(None);
    assert!(matches!(code, Some(4 | 75)) && !err.contains("JWTSECRET"), "{code:?} {err}");
    assert_eq!(secure.heard().len(), 1, "a token was sent to one who is not trusted");
    let empty = home.write("empty.pem", "no certificate\n");
    let (code, err) = refused(Some(&empty));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("AWS_CA_BUNDLE: ") && err.contains("no certificate in it (PEM is expected)"), "{err}");
    assert_eq!(refused(Some(Path::new("/nonexistent"))).0, Some(3));
}

#[test]
fn a_containers_endpoint_is_asked_with_its_token() {
    let home = Home::new("container");
    let endpoint = Endpoint::new(|asked| {
        let authorized = asked.to_lowercase().contains("authorization: containersecret");
        (asked.starts_with("GET /keys ") && authorized).then(|| keys("FROMCONTAINER").to_string())
    });
    let mut command = tool(&home.0);
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/keys", endpoint.url))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "containersecret");
    assert_eq!(signs_with(&mut command), ("FROMCONTAINER".into(), Some(TOKEN.into())));
}

#[test]
fn instance_metadata_are_asked_with_a_session_token() {
    let home = Home::new("imds");
    let endpoint = Endpoint::new(|asked| {
        if asked.starts_with("PUT /latest/api/token ") {
            return Some("IMDSTOKEN".into());
        }
        if !asked.contains("IMDSTOKEN") {
            return None;
        }
        if asked.contains(" /latest/meta-data/iam/security-credentials/migrate ") {
            return Some(keys("FROMINSTANCE").to_string());
        }
        asked.contains(" /latest/meta-data/iam/security-credentials/ ").then(|| "migrate".into())
    });
    let mut command = tool(&home.0);
    command.env_remove("AWS_EC2_METADATA_DISABLED").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint.url);
    assert_eq!(signs_with(&mut command), ("FROMINSTANCE".into(), Some(TOKEN.into())));
    assert!(endpoint.heard()[0].starts_with("PUT /latest/api/token"), "version 1 is never asked");
}

#[test]
fn credentials_that_expire_soon_are_fetched_again_between_records() {
    let home = Home::new("refresh");
    let issued = Arc::new(Mutex::new(0));
    let endpoint = Endpoint::new(move |_| {
        let mut issued = issued.lock().unwrap();
        *issued += 1;
        let now = std::time::SystemTime::now() + Duration::from_secs(2);
        let at = jiff::Timestamp::try_from(now).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut keys = keys(&format!("SHORT{issued}"));
        keys["Expiration"] = json!(at);
        Some(keys.to_string())
    });
    let mut command = tool(&home.0);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/keys", endpoint.url));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut signed, mut renewed, mut last) = (0, 0, String::new());
    let until = Instant::now() + Duration::from_mins(1);
    while renewed < 3 {
        assert!(Instant::now() < until, "renewed {renewed} times in a minute, good for 2 s each");
        stdin.write_all(b"{\"type\":\"request\",\"url\":\"https://h/\"}\n").unwrap();
        let answer = answers.next().unwrap().unwrap();
        let key = answer.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_string();
        renewed += usize::from(!last.is_empty() && last != key);
        (signed, last) = (signed + 1, key);
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(endpoint.heard().len() <= 5 && signed > 10, "{} fetched for {signed} records", endpoint.heard().len());
}

#[test]
fn a_refused_role_says_what_the_service_said() {
    let home = Home::new("refused");
    let endpoint = Endpoint::new(|_| None);
    let mut command = tool(&home.0);
    command
        .env("AWS_ENDPOINT_URL_STS", &endpoint.url)
        .env("AWS_ACCESS_KEY_ID", "FROMENV")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .args(["--role-arn", "arn:aws:iam::123456789012:role/no", "https://h/"]);
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(4), b"".as_slice()));
    assert!(err.starts_with("es-sign-request: no AWS credentials: ") && !err.contains(SECRET), "{err}");
}
