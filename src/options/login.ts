/** What the user asked for of the commands about logins. */

/** `hb login [REGISTRY]`. */
export interface LoginOptions {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin: boolean;
  /** Only say who is logged in. */
  readonly getLogin: boolean;
  readonly tlsVerify: boolean;
  readonly registry?: string;
}

/** `hb logout [REGISTRY]`. */
export interface LogoutOptions {
  readonly all: boolean;
  readonly registry?: string;
}
