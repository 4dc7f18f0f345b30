//! Does the compose file start what it says, with ports, files and networks that fit each other?

use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::config::Deployed;
use super::tools::{Venv, ran, succeeds, text};
use super::{deploy, read};

const REPLICAS: [&str; 2] = ["signoff-1", "signoff-2"];
const APPLICATIONS: [&str; 3] = ["shop", "forum", "wiki"];
/// The image does not promise to run on a root file system that is read-only.
const WRITABLE: [&str; 1] = ["rabbitmq"];

struct Compose(Value);

impl Compose {
    fn read(venv: &Venv) -> Self {
        Self(venv.yaml(&read(&deploy("compose.yaml"))).remove(0))
    }

    fn services(&self) -> &Map<String, Value> {
        self.0["services"].as_object().expect("services")
    }

    fn service(&self, name: &str) -> &Value {
        self.services().get(name).unwrap_or_else(|| panic!("no service {name}"))
    }

    /// Where something is mounted, by what is mounted.
    fn mounts(&self, service: &str) -> Vec<(String, String)> {
        let volumes = strings(&self.service(service)["volumes"]).into_iter().map(|volume| {
            let mut parts = volume.split(':');
            (parts.next().expect("a source").to_owned(), parts.next().expect("a target").to_owned())
        });
        let secrets = strings(&self.service(service)["secrets"]).into_iter().map(|secret| {
            let file = self.0["secrets"][&secret]["file"].as_str().expect("a file").to_owned();
            (file, format!("/run/secrets/{secret}"))
        });
        volumes.chain(secrets).collect()
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|value| value.as_str().expect("text").to_owned()).collect()
}

#[test]
fn the_file_fits_the_compose_specification() {
    let Some(venv) = Venv::new() else { return };
    succeeds(
        venv.program("check-jsonschema").args(["--builtin-schema", "vendor.compose-spec"]).arg(deploy("compose.yaml")),
    );
}

#[test]
fn everything_runs_without_privileges_and_is_reached_from_this_machine_alone() {
    let Some(venv) = Venv::new() else { return };
    let compose = Compose::read(&venv);
    for (name, service) in compose.services() {
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert_eq!(service["read_only"] == true, !WRITABLE.contains(&name.as_str()), "{name}");
        for port in strings(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

#[test]
fn every_image_is_built_here_or_has_a_version() {
    let Some(venv) = Venv::new() else { return };
    for (name, service) in Compose::read(&venv).services() {
        let image = service["image"].as_str().expect("an image");
        if service.get("build").is_some() {
            let build = &service["build"];
            assert!(deploy(build["context"].as_str().unwrap()).join(build["dockerfile"].as_str().unwrap()).is_file());
        } else {
            let tag = image.rsplit_once(':').map_or("latest", |(_, tag)| tag);
            assert!(tag.contains(|c: char| c.is_ascii_digit()) && tag.contains('.'), "{name}: {image}");
        }
    }
}

#[test]
fn what_is_waited_for_tells_when_it_is_there() {
    let Some(venv) = Venv::new() else { return };
    let compose = Compose::read(&venv);
    for (name, service) in compose.services() {
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            let awaited = compose.service(other);
            match how["condition"].as_str() {
                Some("service_healthy") => assert!(awaited["healthcheck"]["test"].is_array(), "{name}: {other}"),
                Some("service_completed_successfully") => assert!(awaited.get("restart").is_none(), "{name}: {other}"),
                condition => panic!("{name}: {other}: {condition:?}"),
            }
        }
    }
    for replica in REPLICAS {
        let awaited = compose.service(replica)["depends_on"].as_object().expect("services");
        assert_eq!(awaited.keys().map(String::as_str).collect::<Vec<_>>(), ["keys", "postgres", "rabbitmq"]);
    }
}

#[test]
fn what_is_mounted_is_there_and_what_the_configuration_names_is_mounted() {
    let Some(venv) = Venv::new() else { return };
    let compose = Compose::read(&venv);
    for name in compose.services().keys() {
        for (source, _) in compose.mounts(name) {
            let made_by_the_reader = source.starts_with("./compose/secrets/");
            if source.starts_with('.') {
                assert!(made_by_the_reader || deploy(&source).exists(), "{name}: {source} is not there");
            } else {
                assert!(compose.0["volumes"].get(&source).is_some(), "{name}: {source} is not a volume");
            }
        }
    }
    let named = Deployed::read("compose/signoff.toml").files;
    for replica in REPLICAS {
        let mounts = compose.mounts(replica);
        for file in &named {
            let mounted = mounts.iter().any(|(_, target)| file == target || file.starts_with(&format!("{target}/")));
            assert!(mounted, "{replica}: {file} is not mounted");
        }
        let command = strings(&compose.service(replica)["command"]);
        assert!(mounts.contains(&("./compose/signoff.toml".to_owned(), command[2].clone())), "{command:?}");
    }
}

#[test]
fn ports_and_networks_fit_each_other() {
    let Some(venv) = Venv::new() else { return };
    let compose = Compose::read(&venv);
    let config = Deployed::read("compose/signoff.toml").config;
    for replica in REPLICAS {
        let ports = strings(&compose.service(replica)["ports"]);
        assert!(ports.iter().all(|port| port.ends_with(&format!(":{}", config.http.listen.port()))), "{ports:?}");
    }
    let ours: IpNet =
        compose.0["networks"]["default"]["ipam"]["config"][0]["subnet"].as_str().unwrap().parse().unwrap();
    assert_eq!(config.delivery.allow_networks, [ours]);
    for application in APPLICATIONS {
        let uri = format!("http://{application}:9000/backchannel-logout");
        let registered = config.clients.iter().find(|client| client.name == application).expect("a client");
        assert_eq!(registered.metadata.backchannel_logout_uri.as_ref().map(AsRef::as_ref), Some(uri.as_str()));
        let command = strings(&compose.service(application)["command"]);
        for argument in [
            format!("--name={application}"),
            "--listen=0.0.0.0:9000".to_owned(),
            format!("--issuer={}", config.issuers[0].issuer),
        ] {
            assert!(command.contains(&argument), "{command:?} lacks {argument}");
        }
    }
}

#[test]
fn a_replica_has_time_to_finish_its_attempts() {
    let Some(venv) = Venv::new() else { return };
    let compose = Compose::read(&venv);
    for replica in REPLICAS {
        let grace = compose.service(replica)["stop_grace_period"].as_str().expect("a duration").to_owned();
        let grace = humantime::parse_duration(&grace).expect("a duration");
        assert!(grace > Deployed::read("compose/signoff.toml").longest_attempt() + Duration::from_secs(5), "{grace:?}");
    }
}

#[test]
fn the_key_is_made_once_and_a_second_start_leaves_it_alone() {
    let Some(venv) = Venv::new() else { return };
    let compose = Compose::read(&venv);
    let volume = tempfile::tempdir().expect("a directory");
    let inside = volume.path().to_str().expect("a path");
    let (_, target) = compose.mounts("keys").remove(0);
    let command: Vec<_> =
        strings(&compose.service("keys")["command"]).iter().map(|word| word.replace(&target, inside)).collect();
    let made = || {
        succeeds(Command::new(env!("CARGO_BIN_EXE_signoff")).args(&command));
        read(&volume.path().join("idp-rs256.pem"))
    };
    assert_eq!(made(), made());
    let named = Deployed::read("compose/signoff.toml").files;
    assert!(named.contains(&format!("{target}/idp-rs256.pem")), "{named:?}");
}

/// The verbs' own help, after what they are given: they refuse what they do not know.
#[test]
fn the_commands_are_verbs_of_the_program() {
    let Some(venv) = Venv::new() else { return };
    for (name, service) in Compose::read(&venv).services() {
        let mut commands = vec![strings(&service["command"])];
        let health = strings(&service["healthcheck"]["test"]);
        if let Some(("CMD", "/usr/local/bin/signoff")) =
            health.first().zip(health.get(1)).map(|(a, b)| (a.as_str(), b.as_str()))
        {
            commands.push(health[2..].to_vec());
        }
        for command in commands.iter().filter(|command| service.get("build").is_some() && !command.is_empty()) {
            let output = ran(Command::new(env!("CARGO_BIN_EXE_signoff")).args(command).arg("--help"));
            assert!(output.status.success(), "{name}: {command:?}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn prometheus_scrapes_every_replica_and_grafana_asks_prometheus() {
    let Some(venv) = Venv::new() else { return };
    let config = Deployed::read("compose/signoff.toml").config;
    let prometheus = venv.yaml(&read(&deploy("prometheus/prometheus.yml"))).remove(0);
    let port = config.metrics.listen.expect("a listener").port();
    let job = &prometheus["scrape_configs"][0];
    assert_eq!(job["job_name"], "signoff");
    assert_eq!(strings(&job["static_configs"][0]["targets"]), REPLICAS.map(|replica| format!("{replica}:{port}")));
    assert_eq!(strings(&prometheus["rule_files"]), ["rules.yaml"]);

    let datasources = venv.yaml(&read(&deploy("grafana/provisioning/datasources/prometheus.yaml"))).remove(0);
    let datasource = &datasources["datasources"][0];
    assert_eq!((&datasource["uid"], &datasource["url"]), (&"prometheus".into(), &"http://prometheus:9090".into()));
    assert_eq!(datasource["jsonData"]["timeInterval"], prometheus["global"]["scrape_interval"]);

    let dashboards = venv.yaml(&read(&deploy("grafana/provisioning/dashboards/signoff.yaml"))).remove(0);
    let path = dashboards["providers"][0]["options"]["path"].as_str().expect("a path");
    let mounts = Compose::read(&venv).mounts("grafana");
    assert!(mounts.contains(&("./grafana/signoff.json".to_owned(), format!("{path}/signoff.json"))), "{mounts:?}");
}
