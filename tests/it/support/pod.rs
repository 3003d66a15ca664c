//! The pod of a manifest, and what a cluster would do for it: mounts, secrets, its name.

use std::path::Path;

use crash::serve::Setup;
use serde_json::Value;

use super::helm;

/// A key of a Secret or a ConfigMap that exists beside the release: its object's name, its own name,
/// its value.
pub type Secret<'a> = (&'a str, &'a str, &'a [u8]);

/// The pod that a manifest describes, with the manifest's other objects.
pub struct Pod {
    objects: Vec<Value>,
    template: Value,
}

impl Pod {
    /// Reads the manifest, which has one workload.
    pub fn of(manifest: &str) -> Self {
        let objects = helm::objects(manifest);
        let mut workloads = objects.iter().filter(|it| it["spec"]["template"].is_object());
        let template = workloads.next().unwrap()["spec"]["template"].clone();
        assert!(workloads.next().is_none());
        Self { objects, template }
    }

    /// The pod's template.
    pub fn template(&self) -> &Value {
        &self.template
    }

    /// The one container.
    pub fn container(&self) -> &Value {
        let containers = list(&self.template["spec"]["containers"]);
        assert_eq!(containers.len(), 1);
        &containers[0]
    }

    /// The names of the container's variables.
    pub fn variables(&self) -> Vec<&str> {
        list(&self.container()["env"]).iter().map(|it| text(&it["name"])).collect()
    }

    /// The value of a variable that the manifest itself has.
    pub fn written(&self, name: &str) -> Option<&str> {
        let mut env = list(&self.container()["env"]).iter();
        env.find(|it| it["name"] == name).unwrap()["value"].as_str()
    }

    /// Lays the pod's files below `root/` of the set-up's folder and gives it the pod's variables,
    /// with these secrets. Only paths of mounts and the address differ from the pod's.
    pub fn laid(&self, mut setup: Setup, secrets: &[Secret]) -> Setup {
        assert_eq!(self.container()["args"], serde_json::json!(["serve"]));
        let root = setup.path().join("root");
        for mount in self.mounts() {
            let folder = root.join(mount.trim_start_matches('/'));
            std::fs::create_dir_all(&folder).unwrap();
            self.fill(mount, &folder, secrets);
        }
        let root = root.to_str().unwrap().to_owned();
        for variable in list(&self.container()["env"]) {
            let name = text(&variable["name"]);
            let from = &variable["valueFrom"];
            let value = match variable["value"].as_str() {
                _ if ["HTTP_HOST", "KAFKA_LISTEN_HOST"].contains(&name) => "127.0.0.1".to_owned(),
                _ if name == "KAFKA_LISTEN_PORT" => "0".to_owned(),
                Some(value) => self.moved(value, &root),
                None if from["fieldRef"]["fieldPath"] == "metadata.name" => "demo-0".to_owned(),
                None if from["configMapKeyRef"].is_object() => {
                    secret(&from["configMapKeyRef"], secrets)
                }
                None => secret(&from["secretKeyRef"], secrets),
            };
            setup = setup.with(name, value);
        }
        setup
    }

    fn mounts(&self) -> impl Iterator<Item = &str> {
        list(&self.container()["volumeMounts"]).iter().map(|it| text(&it["mountPath"]))
    }

    /// Writes the files that a mount has in a cluster.
    fn fill(&self, mount: &str, folder: &Path, secrets: &[Secret]) {
        let mounted = list(&self.container()["volumeMounts"]);
        let name = &mounted.iter().find(|it| it["mountPath"] == mount).unwrap()["name"];
        let mut volumes = list(&self.template["spec"]["volumes"]).iter();
        // The volume of a claim is none of the template's.
        let Some(volume) = volumes.find(|it| it["name"] == *name) else { return };
        let name = &volume["secret"]["secretName"];
        for (_, key, value) in secrets.iter().filter(|secret| *name == secret.0) {
            let mut items = volume["secret"]["items"].as_array().into_iter().flatten();
            let item = items.find(|item| item["key"] == *key);
            let file = match volume["secret"]["items"].is_array() {
                true => item.map(|item| text(&item["path"])),
                false => Some(*key),
            };
            if let Some(file) = file {
                std::fs::write(folder.join(file), value).unwrap();
            }
        }
        for source in volume["projected"]["sources"].as_array().unwrap_or(&Vec::new()) {
            let mut maps = self.objects.iter().filter(|it| it["kind"] == "ConfigMap");
            let name = &source["configMap"]["name"];
            // One that is kept elsewhere is empty.
            let Some(map) = maps.find(|it| it["metadata"]["name"] == *name) else { continue };
            for (file, content) in map["data"].as_object().unwrap() {
                std::fs::write(folder.join(file), text(content)).unwrap();
            }
        }
    }

    /// Returns a value with the paths of mounts moved below the root.
    fn moved(&self, value: &str, root: &str) -> String {
        let mut mounts = self.mounts();
        match mounts.find(|mount| value.contains(mount)) {
            Some(mount) => value.replacen(mount, &format!("{root}{mount}"), 1),
            None => value.to_owned(),
        }
    }

    /// Fails if the gateway wrote a file that is on no writable mount: the pod's root can't be
    /// written.
    pub fn assert_written_nowhere_else(&self, setup: &Setup) {
        assert_eq!(self.container()["securityContext"]["readOnlyRootFilesystem"], true);
        let entries = std::fs::read_dir(setup.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        // The first and the last are the set-up's own; the log is stderr.
        assert_eq!(names, ["log", "root", "tenants"]);
        for mount in list(&self.container()["volumeMounts"]) {
            let folder =
                setup.path().join("root").join(text(&mount["mountPath"]).trim_start_matches('/'));
            if mount["readOnly"] == true {
                let files = std::fs::read_dir(folder).unwrap();
                let is_toml = |name: std::ffi::OsString| name.to_str().unwrap().ends_with(".toml");
                assert!(files.into_iter().all(|it| is_toml(it.unwrap().file_name())));
            }
        }
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn secret(reference: &Value, secrets: &[Secret]) -> String {
    let is_it = |it: &&Secret| reference["name"] == it.0 && reference["key"] == it.1;
    let found = secrets.iter().find(is_it);
    let (.., value) = found.unwrap_or_else(|| panic!("no secret {reference}"));
    String::from_utf8(value.to_vec()).unwrap()
}
