/** The help texts of the commands about logins. */

const login = `hb login [FLAGS] [REGISTRY[/NAME]]

  hb login
  hb login ghcr.io
  pass show registry | hb login -u me --password-stdin registry.example:5000
  hb login --get-login ghcr.io

Tries a user name and password with a registry, docker.io when none is named, and keeps them if they
are good: in $REGISTRY_AUTH_FILE if that is set, else in docker's config.json, where podman, skopeo
and docker find them, too; or with the credential helper that the file names. A login for
REGISTRY/NAME is used for the repositories below that name.

  -u, --username NAME           asked for on the terminal when left out
      --password-stdin          read the password from standard input
  -p, --password PASSWORD       other users of this machine can see it
      --get-login               print who is logged in, and change nothing
      --tls-verify=false        allow plain HTTP and unknown certificates

When a registry asks who is there, the first of these that has a login for it is used:
  the creds flag                of pull, run, create and spec, for the image's own registry only
  HB_AUTH_<HOST>                USER:PASSWORD; . is _, - is __ and a port follows ___, in capitals:
                                HB_AUTH_MY__REG_EXAMPLE___5000 is for my-reg.example:5000
  HB_REGISTRY_AUTH              what an auth.json has: {"auths":{"HOST":{"auth":"..."}}}
  $REGISTRY_AUTH_FILE           a file like that
  $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json
  $DOCKER_CONFIG/config.json, ~/.docker/config.json
The last three may name credential helpers (credHelpers, credsStore). In each the longest name
counts: registry.example/team/app before registry.example/team before registry.example.
`;

const logout = `hb logout [FLAGS] [REGISTRY[/NAME]]

  hb logout ghcr.io
  hb logout --all

Forgets a login, docker.io's when no registry is named, in every file that hb reads and in the
credential helpers they name. Variables stay as they are.

  -a, --all                     every login
`;

/** By command. */
export const loginTexts: Readonly<Record<"login" | "logout", string>> = { login, logout };
