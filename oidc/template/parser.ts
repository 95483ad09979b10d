/**
 * The part of Go's text/template that claims need: `{{ .claim }}`, `{{ .claim.inner }}`, `{{ index . "claim" }}`, if / else if / else / end,
 * eq, ne, and, or, not, texts, true, false and whole numbers, parentheses, pipes, comments and trim markers. All else
 * is refused here, with line and column, so that a template that was read can only fail for want of a claim.
 */
import { buildCommand } from './command.ts';
import type { Built, Operand } from './command.ts';
import { readTokens } from './lexer.ts';
import type { Token, TokenKind } from './lexer.ts';
import { unquote } from './literal.ts';
import { INSTEAD, refuseTemplate } from './refusal.ts';
import type { Branch, TemplateNode } from './tree.ts';

/** How deep parentheses, pipes and ifs may be nested, each. */
const MAX_DEPTH = 50;

/** Reads a template. Throws {@link DefinitionError} with line, column and what to write instead. */
export function parseTemplate(text: string): readonly TemplateNode[] {
  const parser = new Parser(text, readTokens(text));
  return parser.template();
}

/** Why a list of pieces ended. */
type Stop = 'end' | 'else' | 'end of template';

const UNKNOWN_WORD =
  'Known are .claim, index, eq, ne, and, or, not, if, else and end; text stands in "quotes".';

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  template(): readonly TemplateNode[] {
    const [nodes, stop, token] = this.#nodes();
    if (stop === 'end of template') return nodes;
    throw this.#refuse(token, `there is no if to which this ${stop} belongs`, 'Take it out.');
  }

  /** Pieces up to what they do not contain, which is read too: `{{ end`, `{{ else`, or the end of the template. */
  #nodes(): [readonly TemplateNode[], Stop, Token] {
    const nodes: TemplateNode[] = [];
    for (;;) {
      const token = this.#take();
      if (token.kind === 'text') nodes.push({ kind: 'text', text: token.text });
      else if (token.kind === 'end of template') return [nodes, 'end of template', token];
      else {
        const word = this.#peekWord();
        const { text } = word;
        if (word.kind === 'word' && (text === 'end' || text === 'else')) return [nodes, text, this.#take()];
        nodes.push(word.kind === 'word' && text === 'if' ? this.#if(this.#take()) : this.#print());
      }
    }
  }

  #print(): TemplateNode {
    return { kind: 'print', expression: this.#pipeline('close').expression };
  }

  #if(keyword: Token): TemplateNode {
    this.#descend(keyword);
    const branches: Branch[] = [];
    let otherwise: readonly TemplateNode[] = [];
    let [stop, token] = this.#branch(branches);
    while (stop === 'else' && this.#peekWord().text === 'if') {
      this.#take();
      [stop, token] = this.#branch(branches);
    }
    if (stop === 'else') {
      this.#expectClose('else');
      [otherwise, stop, token] = this.#nodes();
    }
    if (stop === 'else') throw this.#refuse(token, 'this if has an else already', 'Write {{ else if … }}.');
    if (stop !== 'end') throw this.#refuse(keyword, 'this if is never ended', 'Write {{ end }} behind it.');
    this.#expectClose('end');
    this.#depth--;
    return { kind: 'if', branches, otherwise };
  }

  #branch(branches: Branch[]): [Stop, Token] {
    const condition = this.#pipeline('close').expression;
    const [body, stop, token] = this.#nodes();
    branches.push({ condition, body });
    return [stop, token];
  }

  /** Commands with pipes between them, up to what closes them, which is read too. */
  #pipeline(closing: TokenKind): Built {
    let piped = this.#command(undefined);
    for (let stages = 1; this.#peekWord().kind === 'pipe'; stages++) {
      const pipe = this.#take();
      if (stages === MAX_DEPTH) throw this.#tooDeep(pipe);
      const stage = this.#command(piped);
      piped = { ...stage, source: `${piped.source} | ${stage.source}` };
    }
    const token = this.#take();
    if (token.kind === closing) return piped;
    throw closing === 'close'
      ? this.#refuse(token, 'there is no opening parenthesis for this one', 'Take it out.')
      : this.#refuse(token, 'a parenthesis is not closed before the action ends', 'Write ) before }}.');
  }

  #command(piped: Built | undefined): Built {
    const operands: Operand[] = [];
    let token = this.#peekWord();
    while (!ENDS_COMMAND.has(token.kind)) {
      operands.push(this.#operand(this.#take()));
      if (this.#peek().kind !== 'space' && !ENDS_COMMAND.has(this.#peek().kind)) throw this.#glued();
      token = this.#peekWord();
    }
    const refuse = (at: number, reason: string, hint: string) => refuseTemplate(this.#text, at, reason, hint);
    if (operands.length > 0) return buildCommand(operands, piped, refuse);
    throw this.#refuse(token, 'something is missing here', 'Write a claim, as in {{ .claim }}.');
  }

  #operand(token: Token): Operand {
    const { text, at } = token;
    if (token.kind === 'dot') return { kind: 'dot', at };
    if (token.kind === 'word') return this.#word(token);
    if (token.kind === 'field') return this.#field(token);
    if (token.kind === 'number') return value({ kind: 'constant', value: this.#number(token) }, text, at);
    if (token.kind === 'string') return value({ kind: 'constant', value: this.#string(token) }, text, at);
    if (token.kind === 'leftParen') return this.#parenthesis(token);
    throw this.#refuse(token, `${text} cannot stand here`, UNKNOWN_WORD);
  }

  /** A claim, and the members inside of it that follow at once. */
  #field({ text, at }: Token): Operand {
    const names = [text];
    while (this.#peek().kind === 'field') names.push(this.#take().text);
    const [name = '', ...inner] = names.map((one) => one.slice(1));
    return value({ kind: 'claim', path: [name, ...inner], at }, names.join(''), at);
  }

  #parenthesis(token: Token): Operand {
    this.#descend(token);
    const { expression, source } = this.#pipeline('rightParen');
    this.#depth--;
    return value(expression, `(${source})`, token.at);
  }

  #word(token: Token): Operand {
    const { text, at } = token;
    if (text === 'true' || text === 'false')
      return value({ kind: 'constant', value: text === 'true' }, text, at);
    const instead = INSTEAD.get(text);
    if (instead !== undefined) throw this.#refuse(token, `${text} is not understood here`, instead);
    return { kind: 'function', name: text, at };
  }

  #number(token: Token): number {
    const number = Number(token.text);
    // Adding zero turns -0 into 0, as Go prints it.
    if (Number.isSafeInteger(number)) return number + 0;
    throw this.#refuse(token, 'the number is too large', 'Claims are texts: put it between quotes.');
  }

  #string(token: Token): string {
    const text = unquote(token.text);
    if (text !== undefined) return text;
    const hint = 'Write the character itself, \\uXXXX, or put the text between `backquotes`.';
    throw this.#refuse(token, 'a backslash in this text stands before something that it cannot', hint);
  }

  #glued(): Error {
    const token = this.#peek();
    return token.kind === 'field'
      ? this.#refuse(token, 'only a claim has members', 'Write .claim.inner, or index . "claim" "inner".')
      : this.#refuse(token, 'a blank is missing here', 'Part words with blanks.');
  }

  #expectClose(word: string): void {
    const token = this.#peekWord();
    if (token.kind !== 'close')
      throw this.#refuse(
        token,
        `this cannot stand behind ${word}`,
        'Write {{ end }}, {{ else }} or {{ else if … }}.',
      );
    this.#take();
  }

  #descend(token: Token): void {
    if (++this.#depth > MAX_DEPTH) throw this.#tooDeep(token);
  }

  #tooDeep(token: Token): Error {
    return this.#refuse(
      token,
      `this is nested more than ${MAX_DEPTH} deep`,
      'Write it flatter, with else if.',
    );
  }

  #refuse(token: Token, reason: string, hint: string): Error {
    return refuseTemplate(this.#text, token.at, reason, hint);
  }

  #peek(): Token {
    // The last token is the end of the template, beyond which nothing is read.
    return this.#tokens[this.#next] ?? { kind: 'end of template', text: '', at: this.#text.length };
  }

  #peekWord(): Token {
    while (this.#peek().kind === 'space') this.#next++;
    return this.#peek();
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }
}

const ENDS_COMMAND: ReadonlySet<TokenKind> = new Set(['pipe', 'close', 'rightParen']);

const value = (expression: Built['expression'], source: string, at: number): Operand => ({
  kind: 'value',
  expression,
  source,
  at,
});
