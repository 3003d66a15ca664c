"""Writes one JSON schema for each kind of Kubernetes object that the chart may have, for kubeconform.

usage: schemas.py OUT SWAGGER.JSON CRD.YAML...

Each file has everything that it refers to, and refuses members that it doesn't name. Needs PyYAML.
"""

import json
import pathlib
import sys

import yaml

# What Kubernetes writes as a string or a number.
EITHER = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"],
}
PREFIX = "#/definitions/"


def strict(schema):
    """Returns a schema that refuses unknown members, and whose references all stay within the file."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    made = {name: strict(value) for name, value in schema.items() if not name.startswith("x-kubernetes-")}
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type", "object") == "object":
        if not keeps_unknown:
            made.setdefault("additionalProperties", False)
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
    made.pop("nullable", None)
    return made


def references(schema):
    """Yields the names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        for item in schema:
            yield from references(item)
    elif isinstance(schema, dict):
        # A property may be called $ref: that one is no string.
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(PREFIX)
        for value in schema.values():
            yield from references(value)


def of_kubernetes(swagger):
    """Yields the file name and the schema of each kind of Kubernetes itself."""
    definitions = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    definitions |= {name: {"type": types} for name, types in EITHER.items()}
    for name, schema in swagger["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            if "properties" not in schema or len(schema["x-kubernetes-group-version-kind"]) > 1:
                continue
            needed, found = {}, list(references(definitions[name]))
            while found:
                other = found.pop()
                if other not in needed:
                    needed[other] = definitions[other]
                    found += references(definitions[other])
            yield file_name(**kind), definitions[name] | {"definitions": needed}


def of_definition(definition):
    """Yields the file name and the schema of each version of a CustomResourceDefinition."""
    spec = definition["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        yield file_name(spec["group"], version["name"], spec["names"]["kind"]), schema


def file_name(group, version, kind):
    """Returns the name that kubeconform's {{.ResourceKind}}{{.KindSuffix}} gives."""
    parts = [kind, group.split(".")[0], version] if group else [kind, version]
    return "-".join(parts).lower() + ".json"


def main(out, swagger, *crds):
    out = pathlib.Path(out)
    made = list(of_kubernetes(json.loads(pathlib.Path(swagger).read_text())))
    for path in crds:
        made += of_definition(yaml.load(pathlib.Path(path).read_text(), yaml.CSafeLoader))
    for name, schema in made:
        schema["$schema"] = "http://json-schema.org/draft-07/schema#"
        (out / name).write_text(json.dumps(schema))


main(*sys.argv[1:])
