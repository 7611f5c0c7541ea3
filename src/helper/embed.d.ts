/** The compiled helper; `with { type: "file" }` makes the import its path. */
declare module "*/dist/embed/hb-init" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: a file import has no other form
  export default path;
}
