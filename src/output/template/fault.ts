/** What is wrong with a template, and where: thrown within this folder, worded by template.ts. */

/** `at` counts UTF-16 units from the template's beginning. */
export class TemplateFault extends Error {
  constructor(
    message: string,
    readonly at: number,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** Something a function does not take; the evaluator adds the function's name and its place. */
export class ArgumentFault extends Error {}
