/** Help on the commands that say what hb and this machine are. */

const info = `hb info [FLAGS]

  hb info
  hb info -f '{{.DockerRootDir}} {{.Images}} {{.CgroupVersion}}'

Shows hb's version and store, what is in it, this machine, and the registries' mirrors.

  -f, --format json|TEMPLATE    one JSON document, or docker's templates; the fields are docker's,
                                and podman's .Host.Security.Rootless, .Store and .Version.Version
`;

const version = `hb version [FLAGS]

  hb version -f '{{.Server.Version}}'

  -f, --format json|TEMPLATE    one JSON document, or docker's templates
`;

/** By command. */
export const machineTexts: Readonly<Record<string, string>> = { info, version };
