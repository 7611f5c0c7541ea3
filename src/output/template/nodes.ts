/** A template, parsed. `at` is where in its text, for messages. */

/** What a template is a list of. */
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipe: Pipe }
  | Block
  | { readonly kind: "break" | "continue" };

/** `{{if}}`, `{{with}}` or `{{range}}` to its end; `{{else if}}` is a block in `otherwise`. */
export interface Block {
  readonly kind: "if" | "with" | "range";
  readonly pipe: Pipe;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

/** `$name := command | command`. */
export interface Pipe {
  readonly at: number;
  /** Variables that get the value; two at most, and two only in a range. */
  readonly names: readonly string[];
  /** `=`: they are there already. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** A function or a method with its arguments, or one operand alone. */
export interface Command {
  readonly first: Operand;
  readonly args: readonly Operand[];
}

/** A value, and the fields taken from it one after the other. */
export interface Operand {
  readonly at: number;
  readonly base: Base;
  readonly path: readonly string[];
}

/** Where an operand's value comes from. */
export type Base =
  | { readonly kind: "dot" }
  | { readonly kind: "nil" }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "constant"; readonly value: string | number | boolean }
  | { readonly kind: "pipe"; readonly pipe: Pipe };
