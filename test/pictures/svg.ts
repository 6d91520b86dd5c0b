/** Words of SVG, and the colours of Grafana's dark theme. Text is measured roughly: nobody knows the viewer's font. */

export type Box = { x: number; y: number; w: number; h: number };

type Attributes = Readonly<Record<string, string | number | undefined>>;

export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeXml(value!)}"`);
  const start = `<${name}${written.join('')}`;
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('')}</${name}>`;
}

export type TextStyle = {
  size?: number;
  color?: string;
  anchor?: 'start' | 'middle' | 'end';
  weight?: number;
  /** Cut with an ellipsis beyond. */
  maxWidth?: number;
};

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 12, color = theme.text, anchor, weight, maxWidth } = style;
  return element(
    'text',
    {
      x,
      y,
      fill: color,
      'font-size': size,
      'font-weight': weight,
      'text-anchor': anchor === 'start' ? undefined : anchor,
    },
    escapeXml(maxWidth === undefined ? content : shortened(content, maxWidth, size)),
  );
}

export function textWidth(content: string, size: number): number {
  return content.length * size * 0.56;
}

export function shortened(content: string, maxWidth: number, size: number): string {
  if (textWidth(content, size) <= maxWidth) return content;
  const fitting = Math.max(1, Math.floor(maxWidth / (size * 0.56)) - 1);
  return `${content.slice(0, fitting)}…`;
}

export function rectangle({ x, y, w, h }: Box, attributes: Attributes): string {
  return element('rect', { x, y, width: w, height: h, ...attributes });
}

/** One decimal is a tenth of a pixel, and keeps the files small. */
export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function escapeXml(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

export const theme = {
  page: '#111217',
  panel: '#181b1f',
  border: '#2a2d33',
  grid: '#26292f',
  text: '#ccccdc',
  faint: '#8e8ea0',
};

const named: Readonly<Record<string, string>> = {
  green: '#73bf69',
  yellow: '#fade2a',
  orange: '#ff9830',
  red: '#f2495c',
  blue: '#5794f2',
  purple: '#b877d9',
  'light-blue': '#8ab8ff',
  text: '#ccccdc',
  gray: '#8e8ea0',
};

/** Of lines that have no colour of their own, in turn. */
const palette = [
  '#73bf69',
  '#f2cc0c',
  '#8ab8ff',
  '#ff780a',
  '#f2495c',
  '#5794f2',
  '#b877d9',
  '#705da0',
  '#37872d',
  '#fade2a',
  '#447ebc',
  '#c15c17',
];

export function colorOf(name: string): string {
  return named[name] ?? name;
}

export function paletteColor(index: number): string {
  return palette[index % palette.length]!;
}
