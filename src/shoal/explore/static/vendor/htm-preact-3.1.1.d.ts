// What the page uses of htm and Preact, for tsc; written by hand.

type Inputs = readonly unknown[];
type Change<T> = (next: T | ((now: T) => T)) => void;

export function html(parts: TemplateStringsArray, ...values: unknown[]): any;
export function render(what: any, where: Element): void;
export function useState(first: null): [any, (next: any) => void];
export function useState<T>(first: T | (() => T)): [T, Change<T>];
export function useReducer<T, A>(next: (now: T, action: A) => T, first: T): [T, (action: A) => void];
export function useRef(first: null): { current: any };
export function useRef<T>(first: T): { current: T };
export function useMemo<T>(make: () => T, inputs: Inputs): T;
export function useEffect(act: () => void | (() => void), inputs?: Inputs): void;
export function useLayoutEffect(act: () => void | (() => void), inputs?: Inputs): void;
