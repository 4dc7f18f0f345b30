//! Do the manifests render, fit the schemas of Kubernetes, and say what the service relies on?

use std::fs;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::config::Deployed;
use super::tools::{Kubectl, Venv, succeeds};
use super::{copy, deploy};

const BASE: &str = "base";
const OVERLAY: &str = "overlays/example";
/// What the reader of the overlay makes.
const SECRETS: [&str; 5] = ["idp-rs256.pem", "idp-token", "operator-token", "store-url", "amqp-url"];

struct Manifests(Vec<Value>);

impl Manifests {
    /// Rendered, and each fits its schema with no member unknown. `None`: a tool is missing.
    fn render(folder: &str) -> Option<Self> {
        let (venv, kubectl) = (Venv::new()?, Kubectl::new()?);
        let directory = TempDir::new().expect("a directory");
        copy(&deploy("kubernetes"), directory.path());
        for secret in SECRETS {
            fs::write(directory.path().join(OVERLAY).join("secrets").join(secret), "hush").expect("to write");
        }
        if kubectl.calls_folders_bases() {
            name_folders_bases(&directory.path().join(OVERLAY).join("kustomization.yaml"));
        }
        let rendered = kubectl.kustomize(&directory.path().join(folder));
        let file = directory.path().join("rendered.yaml");
        fs::write(&file, &rendered).expect("to write");
        succeeds(venv.program("kubernetes-validate").args(["--strict", "--quiet"]).arg(&file));
        Some(Self(venv.yaml(&rendered)))
    }

    fn all(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|manifest| manifest["kind"] == kind).collect()
    }

    fn one(&self, kind: &str) -> &Value {
        let [only] = self.all(kind)[..] else { panic!("not one {kind}") };
        only
    }

    fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["spec"]
    }

    fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    /// Where it is mounted: volume by volume.
    fn mounts(&self) -> Vec<(&Value, &str)> {
        let volume = |name| self.pod()["volumes"].as_array().unwrap().iter().find(|volume| &volume["name"] == name);
        let mounts = self.container()["volumeMounts"].as_array().expect("mounts").iter();
        mounts.map(|mount| (volume(&mount["name"]).expect("a volume"), mount["mountPath"].as_str().unwrap())).collect()
    }

    /// The rules of all policies in this direction.
    fn rules(&self, direction: &str) -> Vec<&Value> {
        self.all("NetworkPolicy").into_iter().flat_map(|p| p["spec"][direction].as_array().expect("rules")).collect()
    }

    fn ports(&self, direction: &str) -> Vec<u64> {
        let ports =
            self.rules(direction).into_iter().flat_map(|rule| rule["ports"].as_array().expect("no rule without"));
        ports.map(|port| port["port"].as_u64().expect("a number")).collect()
    }
}

fn name_folders_bases(kustomization: &Path) {
    let text = fs::read_to_string(kustomization).expect("the overlay");
    let (folders, renamed) = ("resources:\n  - ../../base\n  - secrets\n", "bases:\n  - ../../base\n  - secrets\n");
    assert!(text.contains(folders));
    fs::write(kustomization, text.replace(folders, &format!("{renamed}resources:\n"))).expect("to write");
}

#[test]
fn base_and_overlay_render_and_fit_the_schemas() {
    for (folder, manifests) in [(BASE, 6), (OVERLAY, 11)] {
        let Some(rendered) = Manifests::render(folder) else { return };
        assert_eq!(rendered.0.len(), manifests, "{folder}");
    }
}

#[test]
fn the_base_holds_no_secret_and_the_overlay_every_one_that_is_asked_for() {
    let (Some(base), Some(overlay)) = (Manifests::render(BASE), Manifests::render(OVERLAY)) else { return };
    assert_eq!(base.all("Secret"), Vec::<&Value>::new());
    let secrets: Vec<_> = overlay.all("Secret").into_iter().map(|secret| &secret["metadata"]["name"]).collect();
    assert_eq!(secrets.len(), 3);
    let mounted = overlay.mounts().into_iter().filter_map(|(volume, _)| volume["secret"].get("secretName"));
    let variables = overlay.container()["env"].as_array().unwrap().iter();
    let asked: Vec<_> = mounted.chain(variables.map(|v| &v["valueFrom"]["secretKeyRef"]["name"])).collect();
    assert!(asked.len() == 4 && asked.iter().all(|name| secrets.contains(name)), "{asked:?} of {secrets:?}");
    // What is mounted keeps its name, so that a change arrives; what is in the environment rolls the pods.
    assert!(secrets.contains(&&json!("signoff-keys")) && secrets.contains(&&json!("signoff-tokens")), "{secrets:?}");
    assert!(!secrets.contains(&&json!("signoff-connections")), "{secrets:?}");
}

#[test]
fn pods_are_restricted() {
    let Some(base) = Manifests::render(BASE) else { return };
    let (pod, container) = (base.pod(), base.container());
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert!(pod["securityContext"]["runAsUser"].as_u64().is_some_and(|uid| uid > 0));
    assert_eq!(pod["securityContext"]["seccompProfile"], json!({ "type": "RuntimeDefault" }));
    assert_eq!((&pod["automountServiceAccountToken"], &pod["serviceAccountName"]), (&json!(false), &json!("signoff")));
    assert_eq!(base.one("ServiceAccount")["metadata"]["name"], "signoff");
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
    });
    assert_eq!(container["securityContext"], expected);
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod.get(host).is_none(), "{host}");
    }
}

#[test]
fn the_user_is_that_of_the_image() {
    let Some(base) = Manifests::render(BASE) else { return };
    let context = &base.pod()["securityContext"];
    let user = format!("USER {}:{}", context["runAsUser"], context["runAsGroup"]);
    assert!(super::read(&deploy("Dockerfile")).lines().any(|line| line == user), "{user}");
    // Mounted Secrets belong to root and to this group.
    assert_eq!(context["fsGroup"], context["runAsGroup"]);
    for (volume, _) in base.mounts() {
        let mode = volume["secret"].get("defaultMode").map(|mode| mode.as_u64().expect("a number"));
        assert!(mode.is_none_or(|mode| mode == 0o440), "{volume}");
    }
}

#[test]
fn probes_ask_what_they_should() {
    let Some(base) = Manifests::render(BASE) else { return };
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(base.container()[probe]["httpGet"], json!({ "path": path, "port": "api" }), "{probe}");
    }
    let startup = &base.container()["startupProbe"];
    let patience = startup["periodSeconds"].as_u64().unwrap() * startup["failureThreshold"].as_u64().unwrap();
    assert!(patience >= 600, "a store that is away, or a migration, may take {patience} s only");
}

#[test]
fn a_replica_leaves_the_service_first_and_has_time_to_finish_its_attempts() {
    let Some(base) = Manifests::render(BASE) else { return };
    let seconds = |value: &Value| Duration::from_secs(value.as_u64().expect("seconds"));
    let grace = seconds(&base.pod()["terminationGracePeriodSeconds"]);
    let pause = seconds(&base.container()["lifecycle"]["preStop"]["sleep"]["seconds"]);
    let longest = Deployed::read("kubernetes/base/signoff.toml").longest_attempt();
    let record = Duration::from_secs(5);
    assert!(pause > Duration::ZERO && grace > pause + longest + record, "{grace:?} for {pause:?} and {longest:?}");
}

#[test]
fn replicas_are_replaced_and_evicted_one_by_one() {
    let Some(base) = Manifests::render(BASE) else { return };
    let deployment = &base.one("Deployment")["spec"];
    assert_eq!(
        (&deployment["replicas"], &deployment["strategy"]["rollingUpdate"]["maxUnavailable"]),
        (&json!(2), &json!(0))
    );
    let labels = &deployment["template"]["metadata"]["labels"];
    let budget = &base.one("PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    let spread = deployment["template"]["spec"]["topologySpreadConstraints"].as_array().expect("constraints");
    let selectors = spread.iter().map(|s| &s["labelSelector"]["matchLabels"]);
    let others = [&budget["selector"]["matchLabels"], &deployment["selector"]["matchLabels"]];
    let policy = &base.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"];
    let service = &base.one("Service")["spec"]["selector"];
    for selector in selectors.chain(others).chain([policy, service]) {
        assert_eq!(selector, labels);
    }
}

#[test]
fn what_the_configuration_names_is_mounted_as_directories() {
    for (folder, file) in
        [(BASE, "kubernetes/base/signoff.toml"), (OVERLAY, "kubernetes/overlays/example/signoff.toml")]
    {
        let Some(rendered) = Manifests::render(folder) else { return };
        let secrets: Vec<_> = rendered.mounts().into_iter().filter(|(v, _)| v.get("secret").is_some()).collect();
        for named in Deployed::read(file).files {
            let (directory, key) = named.rsplit_once('/').expect("a path");
            let (volume, _) = secrets.iter().find(|(_, path)| *path == directory).expect("mounted");
            let name = &volume["secret"]["secretName"];
            let secret = rendered.all("Secret").into_iter().find(|secret| secret["metadata"]["name"] == *name);
            assert!(secret.is_none_or(|secret| secret["data"].get(key).is_some()), "{folder}: {name} has no {key}");
        }
        let mounts = rendered.container()["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().all(|mount| mount.get("subPath").is_none() && mount["readOnly"] == true), "{mounts:?}");
    }
}

#[test]
fn a_change_of_the_configuration_rolls_the_pods() {
    for (folder, file) in
        [(BASE, "kubernetes/base/signoff.toml"), (OVERLAY, "kubernetes/overlays/example/signoff.toml")]
    {
        let Some(rendered) = Manifests::render(folder) else { return };
        let map = rendered.one("ConfigMap");
        let name = map["metadata"]["name"].as_str().expect("a name");
        assert!(name.len() > "signoff-config-".len(), "{name} has no hash");
        assert_eq!(map["data"]["signoff.toml"], super::read(&deploy(file)), "{folder}");
        let mounts = rendered.mounts();
        let (_, path) = mounts.iter().find(|(volume, _)| volume["configMap"]["name"] == name).expect("mounted");
        assert_eq!(rendered.container()["args"], json!(["serve", "--config", format!("{path}/signoff.toml")]));
    }
}

#[test]
fn ports_are_those_the_service_listens_on() {
    let Some(base) = Manifests::render(BASE) else { return };
    let config = Deployed::read("kubernetes/base/signoff.toml").config;
    let (api, metrics) = (config.http.listen.port(), config.metrics.listen.expect("a listener").port());
    let expected = json!([{ "name": "api", "containerPort": api }, { "name": "metrics", "containerPort": metrics }]);
    assert_eq!(base.container()["ports"], expected);
    let service = base.one("Service")["spec"]["ports"].as_array().expect("ports");
    let of_service: Vec<_> = service.iter().map(|port| (&port["port"], &port["targetPort"])).collect();
    assert_eq!(of_service, [(&json!(api), &json!("api")), (&json!(metrics), &json!("metrics"))]);
    let annotated = &base.one("Deployment")["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"];
    assert_eq!(annotated, &json!(metrics.to_string()));
    assert_eq!(base.ports("ingress"), [u64::from(metrics)]);
}

#[test]
fn the_network_is_closed_but_for_what_the_service_needs() {
    let Some(overlay) = Manifests::render(OVERLAY) else { return };
    for policy in overlay.all("NetworkPolicy") {
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    }
    let mut ingress = overlay.ports("ingress");
    let mut egress = overlay.ports("egress");
    ingress.sort_unstable();
    egress.sort_unstable();
    assert_eq!((ingress, egress), (vec![8080, 9090], vec![53, 53, 443, 5432, 5672, 8080]));
    // A rule without peers is open to everybody.
    assert!(overlay.rules("ingress").iter().all(|rule| rule["from"].as_array().is_some_and(|from| !from.is_empty())));
    assert!(overlay.rules("egress").iter().all(|rule| rule["to"].as_array().is_some_and(|to| !to.is_empty())));
}

#[test]
fn no_metadata_address_is_reached() {
    let Some(overlay) = Manifests::render(OVERLAY) else { return };
    let network = |value: &Value| value.as_str().expect("a network").parse::<IpNet>().expect("a network");
    let rules = overlay.rules("egress");
    let peers = rules.iter().flat_map(|rule| rule["to"].as_array().unwrap());
    let blocks: Vec<_> = peers.filter_map(|peer| peer.get("ipBlock")).collect();
    assert!(!blocks.is_empty());
    for address in ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fe80::1"]
    {
        let address: IpNet = IpNet::from(address.parse::<std::net::IpAddr>().unwrap());
        for block in &blocks {
            let excepted =
                block["except"].as_array().into_iter().flatten().any(|part| network(part).contains(&address));
            assert!(!network(&block["cidr"]).contains(&address) || excepted, "{address} is in {block}");
        }
    }
}
