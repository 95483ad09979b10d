import { z } from 'zod';
import type { ConfigNode } from '../yaml/config-node.ts';

/** The schema without the wrappers for absent values. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.unwrap() as z.ZodType;
  }
  return inner;
}

/** The schemas that a value may fit: those of a union, else the schema itself. */
export function optionsOf(schema: z.ZodType): readonly z.ZodType[] {
  const inner = unwrap(schema);
  return inner instanceof z.ZodUnion
    ? (inner.options as readonly z.ZodType[]).flatMap((option) => optionsOf(option))
    : [inner];
}

/** Of a union the option that a node of this kind can fit: ours differ in kind. */
export function optionFor(kind: ConfigNode['kind'], schema: z.ZodType): z.ZodType {
  const options = optionsOf(schema);
  const fits = options.find((option) => kindOf(option) === kind);
  return fits ?? options[0] ?? schema;
}

/** The schema of a key of a map; for a list or a scalar anything. */
export function memberOf(schema: z.ZodType, name: string): z.ZodType {
  if (schema instanceof z.ZodObject) return schema.shape[name] as z.ZodType;
  return schema instanceof z.ZodRecord ? (schema.valueType as z.ZodType) : z.unknown();
}

/** Whether the word `off` is a value of the schema. */
export const takesOff = (schema: z.ZodType): boolean =>
  optionsOf(schema).some(
    (option) =>
      (option instanceof z.ZodLiteral || option instanceof z.ZodEnum) && option.safeParse('off').success,
  );

function kindOf(schema: z.ZodType): ConfigNode['kind'] {
  if (schema instanceof z.ZodArray) return 'list';
  return schema instanceof z.ZodObject || schema instanceof z.ZodRecord ? 'map' : 'scalar';
}
