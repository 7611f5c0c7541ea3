/** The embedded image's files; `with { type: "file" }` makes each import its path. */
declare module "*/dist/embed/hello-layer.tar.gz" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: a file import has no other form
  export default path;
}

/** The compiled helper; `with { type: "file" }` makes the import its path. */
declare module "*/dist/embed/hb-init" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: a file import has no other form
  export default path;
}
