import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** Takes down what is wrong with a message: which field, and what is expected. */
export type Report = (problem: string) => void;

type MessageField = DescField & { readonly fieldKind: "message" };

/** The field must be a plain string: one that is always there. */
export function requireString(message: DescMessage, name: string, report: Report): void {
  const field = fieldOf(message, name);
  const plain = field?.fieldKind === "scalar" && field.scalar === ScalarType.STRING && !field.proto.proto3Optional;
  if (!plain || field.oneof !== undefined) report(expected(message, name, "a string", field));
}

/** The field must be a single message. What the message has to hold is checked by the caller. */
export function requireMessage(
  message: DescMessage,
  name: string,
  what: string,
  report: Report,
): DescMessage | undefined {
  const field = fieldOf(message, name);
  if (field !== undefined && isSingleMessage(field)) return field.message;
  report(expected(message, name, what, field));
  return undefined;
}

/** The field must be a repeated message of this type. */
export function requireItems(message: DescMessage, name: string, item: DescMessage, report: Report): void {
  const field = fieldOf(message, name);
  const fits = field?.fieldKind === "list" && field.listKind === "message" && field.message.typeName === item.typeName;
  if (!fits) report(expected(message, name, `repeated ${item.name}`, field));
}

/** The one message field of which this is true; undefined where there is none or more than one. */
export function singleMessageField(
  message: DescMessage,
  fits: (inner: DescMessage) => boolean,
): MessageField | undefined {
  const found = message.fields.filter(isSingleMessage).filter((field) => fits(field.message));
  return found.length === 1 ? found[0] : undefined;
}

function fieldOf(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.name === name);
}

function isSingleMessage(field: DescField): field is MessageField {
  return field.fieldKind === "message" && field.oneof === undefined;
}

function expected(message: DescMessage, name: string, what: string, found: DescField | undefined): string {
  const instead = found === undefined ? "there is no such field" : `it is ${describe(found)}`;
  return `${message.name}.${name} has to be ${what}; ${instead}`;
}

function describe(field: DescField): string {
  const place = field.oneof === undefined ? "" : ` in the oneof ${field.oneof.name}`;
  switch (field.fieldKind) {
    case "scalar":
      return `${field.proto.proto3Optional ? "optional " : ""}${scalarName(field.scalar)}${place}`;
    case "enum":
      return `the enum ${field.enum.name}${place}`;
    case "message":
      return `one ${field.message.name}${place}`;
    case "map":
      return "a map";
    case "list":
      return `repeated ${field.listKind === "scalar" ? scalarName(field.scalar) : (field.message ?? field.enum).name}`;
  }
}

const scalarName = (scalar: ScalarType): string => ScalarType[scalar].toLowerCase();
