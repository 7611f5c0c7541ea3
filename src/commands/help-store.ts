/** What `hb help` says about the commands for the store as a whole. */

const check = `hb check [FLAGS] [IMAGE...]

  hb check
  hb check --repair
  hb check alpine debian:12

Looks at the images here, or those named: records, manifests and configs byte for byte, layers by
their places and forms. The files in layers are not compared with anything: their digests were
checked when they were unpacked. One line for each thing that is broken, and exit status 1.

      --repair                  pull again what is broken, the very same image where its registry
                                has it; remove what its registry no longer has
      --tls-verify=false        allow plain HTTP and unknown certificates
  -q, --quiet                   only what is broken
`;

const lock = `hb lock [FLAGS] [IMAGE...]

  hb lock debian:12 postgres:17
  hb lock

Writes down what images mean at this moment: the digest of the index and of each platform's
manifest. Images that are in the file already and not named stay as they are; without a name all of
them are locked anew. 'hb help run' has the flag that holds run, create, pull and spec to the file.

  -f, --file FILE               hb.lock in this directory unless said otherwise
      --tls-verify=false        allow plain HTTP and unknown certificates
  -q, --quiet                   do not list what was locked
`;

const system = `hb system df [FLAGS]

  hb system df
  hb system df -v
  hb system df --format '{{.Type}} {{.Size}}'

Says what the store takes, and what of it hb prune (with its flag -a) would give back.
'hb system prune' is 'hb prune'.

      --format table|json       columns, or one JSON object a line
      --format TEMPLATE         fields .Type .TotalCount .Active .Size .Reclaimable, see
                                'hb help images'
  -v, --verbose                 a row for each image and each container
`;

const store = `hb store export|import [FLAGS] DIR [IMAGE...]

  hb store export .hb-cache
  hb store import .hb-cache
  hb store import .hb-cache debian:12

Export writes the images here, or those named, into a directory of plain files of yours, for a CI
cache to keep: unlike the store it does not depend on who runs hb, nor where. What is there already
is not written again, and what no exported image needs is removed.

Import puts the images of such a directory, or those named, into the store, checked as a pull checks
what a registry sends; layers that are here are not read. What is missing or damaged there is said
in a line, the other images come in, and the exit status is 1.

  -q, --quiet                   no progress
`;

/** The texts, by command. */
export const storeTexts: Readonly<Record<string, string>> = { check, lock, store, system };
