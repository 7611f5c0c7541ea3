/** Help on the commands that ask a registry. */

const tags = `hb tags [FLAGS] REPOSITORY

  hb tags alpine
  hb tags localhost:5000/team/app | sort -V | tail -1

Prints the tags a registry has of a repository, one a line, in the registry's order. Mirrors are not
asked: they know only what went through them.

      --tls-verify=false        allow plain HTTP and unknown certificates
      --cacert FILE             trust these CAs, too, for the registry
`;

const manifest = `hb manifest inspect [FLAGS] IMAGE

  hb manifest inspect debian:12
  hb manifest inspect -v ghcr.io/org/app | jq '.[].Descriptor.platform'

Prints what a registry has under a reference, as JSON: an index with the platforms there are, or the
manifest of one image. Nothing is pulled.

  -v, --verbose                 every platform's manifest with its descriptor, as docker prints it
      --tls-verify=false        allow plain HTTP and unknown certificates
      --cacert FILE             trust these CAs, too, for the registry
`;

export const registryTexts = { tags, manifest } as const;
